//! References in place of certificates and keys: in an ssl, and in the `tls` of an upstream.
//!
//! They are resolved as a pair, and stay when the pair that they lead to is none. What then still is a reference serves nobody: a
//! server name is known and shakes no hands, a node is shown no certificate. On the control plane all of them stay.

use model::reference::{in_environment, is_reference};
use model::{Kind, ResourceKey};
use serde_json::Value;

use super::{References, find};
use crate::tls::{ClientIdentity, is_chain};

impl References {
    /// The object with the references to certificates in it resolved; `None` when nothing is to be resolved.
    pub(crate) fn in_certificates(self, key: &ResourceKey, body: &[u8]) -> Option<Value> {
        let holder = match key.kind {
            Kind::Ssl => "",
            Kind::Upstream => "/tls",
            Kind::Service | Kind::Route => "/upstream/tls",
            _ => return None,
        };
        // Most objects have none, and need not be read twice.
        self.environment.filter(|_| body.windows(2).any(|pair| pair == b"\"$"))?;
        let mut object: Value = serde_json::from_slice(body).ok()?;
        self.in_holder(object.pointer_mut(holder)?, &key.to_string());
        Some(object)
    }

    fn in_holder(self, holder: &mut Value, owner: &str) {
        self.pair(holder, ["/cert", "/key"], owner);
        self.pair(holder, ["/client_cert", "/client_key"], owner);
        let further = holder.get("certs").and_then(Value::as_array).map_or(0, Vec::len);
        for n in 0..further {
            self.pair(holder, [&format!("/certs/{n}"), &format!("/keys/{n}")], owner);
        }
        let authorities = self.text(holder, "/client/ca", owner).filter(|ca| is_chain(ca));
        if let (Some(ca), Some(place)) = (authorities, holder.pointer_mut("/client/ca")) {
            *place = ca.into();
        }
    }

    fn pair(self, holder: &mut Value, [cert, key]: [&str; 2], owner: &str) {
        let is_one = |pointer: &str| holder.pointer(pointer).and_then(Value::as_str).is_some_and(is_reference);
        if !(is_one(cert) || is_one(key)) {
            return;
        }
        let (Some(chain), Some(secret)) = (self.text(holder, cert, owner), self.text(holder, key, owner)) else {
            return;
        };
        if let Err(fault) = ClientIdentity::new(&chain, &secret, cert, key) {
            // The fault's message may show the secret.
            tracing::error!(owner, pointer = fault.pointer, "what a reference leads to is no certificate with its key");
            return;
        }
        for (pointer, text) in [(cert, chain), (key, secret)] {
            if let Some(place) = holder.pointer_mut(pointer) {
                *place = text.into();
            }
        }
    }

    /// The text, or the one that it stands for; `None` when that is not to be had.
    fn text(self, holder: &Value, pointer: &str, owner: &str) -> Option<String> {
        let text = holder.pointer(pointer)?.as_str()?;
        let Some(path) = in_environment(text) else {
            return (!is_reference(text)).then(|| text.to_owned());
        };
        match find(path, self.environment?) {
            Ok(Value::String(found)) => Some(found),
            Ok(_) => None,
            Err(reason) => {
                tracing::error!(reference = text, owner, reason, "a reference stays as it is");
                None
            }
        }
    }
}
