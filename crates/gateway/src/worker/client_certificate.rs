//! What a client's certificate says, in the words of nginx's variables `ssl_client_*`.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use plugin_api::exchange::ClientCertificate;
use x509_parser::asn1_rs::ToDer;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, X509Certificate, X509Name};

/// Names of a distinguished name's parts, as OpenSSL shortens them; others are told by their numbers.
const PARTS: [(&str, &str); 18] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.41", "name"),
    ("2.5.4.42", "GN"),
    ("2.5.4.43", "initials"),
    ("2.5.4.46", "dnQualifier"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// Reads it; what cannot be read is empty.
pub(crate) fn read(der: &[u8]) -> ClientCertificate {
    let fingerprint = hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, der));
    let told = ClientCertificate { fingerprint, pem: pem(der), ..ClientCertificate::default() };
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return told;
    };
    // A zero before the number says that it is not negative.
    let serial = match certificate.tbs_certificate.raw_serial() {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    ClientCertificate {
        serial: hex::encode_upper(serial),
        subject: name(certificate.subject()),
        issuer: name(certificate.issuer()),
        ..told
    }
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

/// The last part first (RFC 2253).
fn name(name: &X509Name<'_>) -> String {
    let mut sets: Vec<_> = name.iter_rdn().map(|set| set.iter().map(part).collect::<Vec<_>>().join("+")).collect();
    sets.reverse();
    sets.join(",")
}

fn part(part: &AttributeTypeAndValue<'_>) -> String {
    let id = part.attr_type().to_id_string();
    match (PARTS.iter().find(|(known, _)| *known == id), part.as_str()) {
        (Some((_, short)), Ok(value)) => format!("{short}={}", escaped(value)),
        (known, _) => {
            let short = known.map_or(&*id, |(_, short)| short);
            format!("{short}=#{}", hex::encode_upper(part.attr_value().to_der_vec().unwrap_or_default()))
        }
    }
}

/// As OpenSSL escapes it: what has a meaning of its own, spaces at the ends, and all that is not ASCII.
fn escaped(value: &str) -> String {
    let last = value.len().saturating_sub(1);
    let mut text = String::with_capacity(value.len());
    for (at, byte) in value.bytes().enumerate() {
        let has_meaning = matches!(byte, b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';');
        let is_at_end = (at == 0 && matches!(byte, b'#' | b' ')) || (at == last && byte == b' ');
        match byte {
            _ if has_meaning || is_at_end => text.extend(['\\', char::from(byte)]),
            0x20..0x7f => text.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(text, "\\{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, DnValue, KeyPair, SerialNumber};

    use super::*;

    fn made(parts: &[(DnType, DnValue)], serial: &[u8]) -> ClientCertificate {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = rcgen::DistinguishedName::new();
        for (part, value) in parts {
            parameters.distinguished_name.push(part.clone(), value.clone());
        }
        parameters.serial_number = Some(SerialNumber::from_slice(serial));
        let key = KeyPair::generate().expect("a key");
        read(parameters.self_signed(&key).expect("a certificate").der())
    }

    /// What OpenSSL 3.0 prints for the same with `-nameopt RFC2253`.
    #[test]
    fn names_are_written_as_openssl_writes_them() {
        let text = |text: &str| DnValue::Utf8String(text.to_owned());
        let parts = [
            (DnType::CountryName, text("DE")),
            (DnType::OrganizationName, text("Müller, Söhne + Co")),
            (DnType::OrganizationalUnitName, text(" #\"left\" ")),
            (DnType::CustomDnType(vec![1, 2, 840, 113549, 1, 9, 1]), text("a=b@shop.test")),
            (DnType::CustomDnType(vec![1, 2, 3, 4]), text("hi")),
            (DnType::CommonName, text("client;1")),
        ];
        let told = made(&parts, &[0xf0, 1]);
        let name = concat!(
            r"CN=client\;1,1.2.3.4=#0C026869,emailAddress=a=b@shop.test,",
            r#"OU=\ #\"left\"\ ,O=M\C3\BCller\, S\C3\B6hne \+ Co,C=DE"#
        );
        assert_eq!((told.subject.as_str(), told.issuer.as_str()), (name, name));
        assert_eq!(told.serial, "F001");
        assert_eq!(made(&[], &[5]).serial, "05");
        assert_eq!(told.fingerprint.len(), 40);
        assert!(told.pem.starts_with("-----BEGIN CERTIFICATE-----\nMII"), "{}", told.pem);
        let garbage = read(b"no certificate");
        assert_eq!((garbage.subject.as_str(), garbage.serial.as_str()), ("", ""));
    }
}
