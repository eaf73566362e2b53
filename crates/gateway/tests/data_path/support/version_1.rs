//! Certificates of version 1, which rcgen does not make.

use rcgen::{KeyPair, SigningKey};
use rustls_pki_types::CertificateDer;
use x509_parser::asn1_rs::{Any, FromDer};

/// The certificate without its version and extensions, signed anew by whoever signed it.
pub(crate) fn version_1(certificate: &[u8], signer: &KeyPair) -> CertificateDer<'static> {
    let [whole] = parts(certificate)[..] else { panic!("one certificate") };
    let [signed, algorithm, _] = parts(content(whole))[..] else { panic!("three parts") };
    // Version and extensions are the fields with a number, [0] and [3].
    let fields = parts(content(signed)).into_iter().filter(|field| !matches!(field[0], 0xa0 | 0xa3));
    let signed = element(0x30, &fields.collect::<Vec<_>>().concat());
    let signature = signer.sign(&signed).expect("a signature");
    let signature = element(0x03, &[&[0], &signature[..]].concat());
    CertificateDer::from(element(0x30, &[&signed[..], algorithm, &signature].concat()))
}

/// The elements that stand one after another.
fn parts(mut der: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while !der.is_empty() {
        let (rest, _) = Any::from_der(der).expect("an element");
        parts.push(&der[..der.len() - rest.len()]);
        der = rest;
    }
    parts
}

fn content(element: &[u8]) -> &[u8] {
    let (_, any) = Any::from_der(element).expect("an element");
    &element[element.len() - any.data.len()..]
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length = &length[length.iter().take_while(|byte| **byte == 0).count()..];
    let long = if content.len() < 0x80 { vec![tag] } else { vec![tag, 0x80 | length.len() as u8] };
    [&long[..], length, content].concat()
}
