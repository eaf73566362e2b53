//! What a provider can be told to do wrong.

/// One of the provider's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`
    Discovery,
    /// `/keys`
    Keys,
    /// `/authorize`
    Authorize,
    /// `/token`
    Token,
    /// `/userinfo`
    Userinfo,
}

/// What is wrong, with everything else right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The ID token has another nonce.
    Nonce,
    /// It is for another client.
    Audience,
    /// It is for this client and another, and was handed out to that.
    AuthorizedParty,
    /// It is of another issuer.
    Issuer,
    /// It expired an hour ago.
    Expired,
    /// It is valid in an hour.
    Early,
    /// It has no signature, and says so.
    Unsigned,
    /// It is signed with HS256, and the public key as secret.
    PublicKeyAsSecret,
    /// Its signature is that of another key than it names.
    Signature,
    /// It is signed with a key that is not published.
    UnpublishedKey,
    /// Its `at_hash` is another access token's.
    AccessTokenHash,
    /// The description is another issuer's.
    DescribedIssuer,
    /// The callback names another issuer.
    CallbackIssuer,
    /// The callback names no issuer, although that was promised.
    NamelessCallback,
    /// The userinfo endpoint speaks of another user.
    UserinfoSubject,
    /// An endpoint takes requests and never answers.
    Silent(Endpoint),
    /// An endpoint answers with a page.
    Garbage(Endpoint),
    /// An endpoint answers rightly, but with a megabyte of blanks before.
    Huge(Endpoint),
    /// An endpoint answers 500.
    Broken(Endpoint),
    /// An endpoint redirects to where the right answer is, on the same host.
    RedirectWithin(Endpoint),
    /// An endpoint redirects to where the right answer is, on a host of another name.
    RedirectElsewhere(Endpoint),
}
