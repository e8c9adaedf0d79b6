//! Keys and certificates for other rooms: what `genCA` and `genSignedCert` do, without a template around it.

use core::net::IpAddr;

use super::certs::{self, Signer, Template};
use super::gotime::Time;
use super::host::Draw;
use super::pem as blocks;

pub(crate) use super::keys::PrivateKey;

/// What a certificate is to say.
pub(crate) struct Request<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) dns_names: &'a [String],
    pub(crate) addresses: &'a [IpAddr],
    /// Seconds since 1970.
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) is_ca: bool,
}

/// A PEM block.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    blocks::encode(label, der)
}

/// A certificate in PEM, signed by an authority (its certificate and key) or by itself.
pub(crate) fn certificate(
    request: &Request<'_>,
    key: &PrivateKey,
    authority: Option<(&str, &PrivateKey)>,
    draw: &mut Draw,
) -> Result<String, String> {
    let mut names = Vec::new();
    for name in request.dns_names {
        names.extend(certs::dns_name(name)?);
    }
    names.extend(request.addresses.iter().flat_map(certs::address));
    let template = Template {
        subject: certs::common_name(request.common_name),
        names,
        from: Time::new(request.from, 0),
        to: Time::new(request.to, 0),
        ca: request.is_ca,
    };
    let signer = match authority {
        None => Signer { key, subject: template.subject.clone(), key_id: None },
        Some((text, key)) => {
            let (_, bytes) = blocks::decode(text).ok_or("the authority's certificate is not PEM")?;
            let (subject, key_id) =
                certs::read_signer(&bytes).ok_or("the authority's certificate cannot be read")?;
            Signer { key, subject, key_id }
        }
    };
    let mut serial = [0; 16];
    draw.fill(&mut serial);
    certs::issue(&template, &serial, key, &signer)
}
