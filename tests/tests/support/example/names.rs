//! What `{{...}}` stands for: the upstreams' addresses, and certificates and keys made when they are first named.

use std::collections::HashMap;
use std::net::SocketAddr;

use anyhow::{Context, bail};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, RsaKeySize};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Map, Value};

/// A certificate and its key.
pub struct Certified {
    pub der: CertificateDer<'static>,
    pem: String,
    key: KeyPair,
}

#[derive(Default)]
pub struct Names {
    upstreams: HashMap<String, SocketAddr>,
    /// By server name.
    certificates: HashMap<String, Certified>,
    authorities: HashMap<String, CertifiedIssuer<'static, KeyPair>>,
    /// RSA, for tokens.
    keys: HashMap<String, KeyPair>,
}

impl Names {
    pub fn add_upstream(&mut self, name: &str, address: SocketAddr) {
        self.upstreams.insert(name.to_owned(), address);
    }

    /// The same with all names replaced by what they stand for; keys of objects as well as values.
    pub fn fill(&mut self, value: Value) -> anyhow::Result<Value> {
        Ok(match value {
            Value::String(text) => self.fill_text(&text)?,
            Value::Array(items) => items.into_iter().map(|item| self.fill(item)).collect::<Result<_, _>>()?,
            Value::Object(fields) => Value::Object(self.fill_fields(fields)?),
            other => other,
        })
    }

    fn fill_fields(&mut self, fields: Map<String, Value>) -> anyhow::Result<Map<String, Value>> {
        let field = |(name, value): (String, Value)| -> anyhow::Result<_> {
            let Value::String(name) = self.fill_text(&name)? else { bail!("`{name}` is no field's name") };
            Ok((name, self.fill(value)?))
        };
        fields.into_iter().map(field).collect()
    }

    /// A number for a port that stands alone, text otherwise.
    fn fill_text(&mut self, text: &str) -> anyhow::Result<Value> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) =
                after.split_once("}}").with_context(|| format!("`{text}` does not close its braces"))?;
            let value = self.value(name).with_context(|| format!("`{{{{{name}}}}}`"))?;
            if text.len() == name.len() + 4 {
                return Ok(value);
            }
            filled.push_str(before);
            filled.push_str(&value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled.into())
    }

    fn value(&mut self, name: &str) -> anyhow::Result<Value> {
        if name == "turn" {
            return Ok("{{turn}}".into());
        }
        if let Some((kind, of)) = name.split_once(' ') {
            return self.material(kind, of).map(Value::String);
        }
        let (upstream, part) = name.split_once('.').unwrap_or((name, ""));
        let address = self.upstreams.get(upstream).context("stands for nothing")?;
        Ok(match part {
            "" => address.to_string().into(),
            "host" => address.ip().to_string().into(),
            "port" => address.port().into(),
            _ => bail!("stands for nothing"),
        })
    }

    fn material(&mut self, kind: &str, of: &str) -> anyhow::Result<String> {
        Ok(match kind {
            "certificate" => self.certificate(of)?.pem.clone(),
            "key" => self.certificate(of)?.key.serialize_pem(),
            "authority" => self.authority(of)?.pem(),
            "public_key" => self.key(of)?.public_key_pem(),
            _ => bail!("stands for nothing"),
        })
    }

    /// The server's certificate for this name, `*.` included.
    pub fn certificate(&mut self, name: &str) -> anyhow::Result<&Certified> {
        if !self.certificates.contains_key(name) {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()])?;
            let made = Certified { der: made.cert.der().clone(), pem: made.cert.pem(), key: made.signing_key };
            self.certificates.insert(name.to_owned(), made);
        }
        self.certificates.get(name).context("made just now")
    }

    /// All servers' certificates that there are.
    pub fn trusted(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.certificates.values().map(|made| &made.der)
    }

    fn authority(&mut self, name: &str) -> anyhow::Result<&CertifiedIssuer<'static, KeyPair>> {
        if !self.authorities.contains_key(name) {
            let mut parameters = CertificateParams::default();
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let made = CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?;
            self.authorities.insert(name.to_owned(), made);
        }
        self.authorities.get(name).context("made just now")
    }

    /// A new client's certificate of this authority.
    pub fn client(&mut self, authority: &str) -> anyhow::Result<(CertificateDer<'static>, PrivateKeyDer<'static>)> {
        let issuer = self.authority(authority)?;
        let key = KeyPair::generate()?;
        let own = CertificateParams::new(vec!["client.example".to_owned()])?.signed_by(&key, issuer)?;
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        Ok((own.der().clone(), key))
    }

    /// An RSA key for signing.
    pub fn key(&mut self, name: &str) -> anyhow::Result<&KeyPair> {
        if !self.keys.contains_key(name) {
            let made = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048)?;
            self.keys.insert(name.to_owned(), made);
        }
        self.keys.get(name).context("made just now")
    }
}
