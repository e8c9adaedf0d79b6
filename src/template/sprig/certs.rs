//! Certificates: `genCA`, `genSelfSignedCert`, `genSignedCert` and their `WithKey` forms, `buildCustomCert`.
//!
//! X.509 v3 with the fields Go's `x509.CreateCertificate` writes for sprig's templates. Valid from the host's `now`.

use core::net::IpAddr;
use std::any::Any;
use std::rc::Rc;

use sha2::{Digest as _, Sha256};

use super::args::{Entry, FuncResult, I, S, display, fixed, int, text};
use super::der::{self, tag};
use super::encoding::b64dec;
use super::gotime::Time;
use super::host::{Draw, Host, draw};
use super::keys::PrivateKey;
use super::layout;
use super::pem;
use crate::template::exec::Exec;
use crate::template::types::{Kind, Named, Type};
use crate::template::value::{Object, Value};

static NAMED: Named = Named { name: "sprig.certificate", kind: Kind::Struct, underlying: None };
const CERTIFICATE: Type = Type::Named(&NAMED);
const LIST: Type = Type::LIST;

/// What the functions give and take: a certificate and its key in PEM.
struct Certificate {
    cert: String,
    key: String,
}

impl Object for Certificate {
    fn go_type(&self) -> Type {
        CERTIFICATE
    }
    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Cert" => Some(self.cert.as_str().into()),
            "Key" => Some(self.key.as_str().into()),
            _ => None,
        }
    }
    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Cert", self.cert.as_str().into()), ("Key", self.key.as_str().into())]
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What a certificate says.
pub(super) struct Template {
    pub(super) subject: Vec<u8>,
    pub(super) names: Vec<u8>,
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) ca: bool,
}

/// Who signs it.
pub(super) struct Signer<'a> {
    pub(super) key: &'a PrivateKey,
    pub(super) subject: Vec<u8>,
    /// The signer's own subject key id, if it has one.
    pub(super) key_id: Option<Vec<u8>>,
}

fn oid(bytes: &[u8]) -> Vec<u8> {
    der::value(tag::OID, bytes)
}

/// A distinguished name that has a common name only.
pub(super) fn common_name(cn: &str) -> Vec<u8> {
    if cn.is_empty() {
        return der::sequence(&[]);
    }
    let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
    let kind = if cn.bytes().all(printable) { tag::PRINTABLE } else { tag::UTF8 };
    let attribute = der::sequence(&[&oid(&[0x55, 4, 3]), &der::value(kind, cn.as_bytes())]);
    der::sequence(&[&der::value(tag::SET, &attribute)])
}

fn moment(t: &Time) -> Vec<u8> {
    let year = t.wall().year;
    if (1950..2050).contains(&year) {
        der::value(tag::UTC_TIME, layout::format(t, "060102150405Z").as_bytes())
    } else {
        der::value(tag::GENERALIZED_TIME, layout::format(t, "20060102150405Z").as_bytes())
    }
}

fn extension(id: &[u8], critical: bool, content: &[u8]) -> Vec<u8> {
    let critical = if critical { der::value(tag::BOOLEAN, &[0xff]) } else { Vec::new() };
    der::sequence(&[&oid(id), &critical, &der::value(tag::OCTET_STRING, content)])
}

/// The first 20 bytes of the digest of the public key's bits, as Go 1.25 and later make it.
fn key_id(key: &PrivateKey) -> Result<Vec<u8>, String> {
    Ok(Sha256::digest(key.public_bits()?)[..20].to_vec())
}

pub(super) fn issue(
    template: &Template,
    serial: &[u8; 16],
    key: &PrivateKey,
    signer: &Signer<'_>,
) -> Result<String, String> {
    // digitalSignature and keyEncipherment; keyCertSign for an authority.
    let usage = if template.ca { [0x02, 0xa4] } else { [0x05, 0xa0] };
    let server_and_client =
        der::sequence(&[&oid(&[0x2b, 6, 1, 5, 5, 7, 3, 1]), &oid(&[0x2b, 6, 1, 5, 5, 7, 3, 2])]);
    let constraints = if template.ca { der::value(tag::BOOLEAN, &[0xff]) } else { Vec::new() };
    let mut extensions = vec![
        extension(&[0x55, 0x1d, 0x0f], true, &der::value(tag::BIT_STRING, &usage)),
        extension(&[0x55, 0x1d, 0x25], false, &server_and_client),
        extension(&[0x55, 0x1d, 0x13], true, &der::value(tag::SEQUENCE, &constraints)),
    ];
    if template.ca {
        extensions.push(extension(&[0x55, 0x1d, 0x0e], false, &der::value(tag::OCTET_STRING, &key_id(key)?)));
    }
    if let Some(id) = signer.key_id.as_ref().filter(|_| !template.ca) {
        let id = der::sequence(&[&der::value(0x80, id)]);
        extensions.push(extension(&[0x55, 0x1d, 0x23], false, &id));
    }
    if !template.names.is_empty() {
        let names = der::value(tag::SEQUENCE, &template.names);
        extensions.push(extension(&[0x55, 0x1d, 0x11], false, &names));
    }
    let algorithm = signer.key.signature_algorithm();
    let body = der::sequence(&[
        &der::value(0xa0, &der::integer(&[2])),
        &der::integer(serial),
        &algorithm,
        &signer.subject,
        &der::sequence(&[&moment(&template.from), &moment(&template.to)]),
        &template.subject,
        &key.public_info()?,
        &der::value(0xa3, &der::value(tag::SEQUENCE, &extensions.concat())),
    ]);
    let signature = der::bit_string(&signer.key.sign(&body));
    Ok(pem::encode("CERTIFICATE", &der::sequence(&[&body, &algorithm, &signature])))
}

/// A certificate's subject and subject key id.
pub(super) fn read_signer(der_bytes: &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let (tag::SEQUENCE, certificate, _, _) = der::first(der_bytes)? else { return None };
    let (tag::SEQUENCE, mut rest, _, _) = der::first(certificate)? else { return None };
    if let (0xa0, _, _, after) = der::first(rest)? {
        rest = after;
    }
    // serial, signature algorithm, issuer, validity
    for _ in 0..4 {
        rest = der::first(rest)?.3;
    }
    let (_, _, subject, after) = der::first(rest)?;
    rest = der::first(after)?.3;
    let mut id = None;
    while let Some((kind, content, _, after)) = der::first(rest) {
        rest = after;
        if kind == 0xa3 {
            let mut extensions = der::first(content)?.1;
            while let Some((_, extension, _, after)) = der::first(extensions) {
                extensions = after;
                let (_, name, _, mut value) = der::first(extension)?;
                if name == [0x55, 0x1d, 0x0e] {
                    if let Some((tag::BOOLEAN, _, _, after)) = der::first(value) {
                        value = after;
                    }
                    id = der::first(der::first(value)?.1).map(|v| v.1.to_vec());
                }
            }
        }
    }
    Some((subject.to_vec(), id))
}

fn shown(v: &Value) -> String {
    display(v).map_or_else(|e| e.to_string(), |text| String::from_utf8_lossy(&text).into_owned())
}

/// An address as an alternative name.
pub(super) fn address(ip: &IpAddr) -> Vec<u8> {
    let bytes = match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| v6.octets().to_vec(), |v4| v4.octets().to_vec()),
    };
    der::value(0x87, &bytes)
}

/// A DNS name as an alternative name.
pub(super) fn dns_name(name: &str) -> Result<Vec<u8>, String> {
    if !name.is_ascii() {
        return Err(format!("error creating certificate: x509: {name:?} cannot be encoded as an IA5String"));
    }
    Ok(der::value(0x82, name.as_bytes()))
}

/// Subject alternative names: DNS names first, then addresses, as Go orders them.
fn alternative_names(ips: &Value, names: &Value) -> Result<Vec<u8>, String> {
    let mut addresses = Vec::new();
    for ip in ips.as_list().map_or(&[][..], |l| l.items()) {
        let ip = ip.text().ok_or_else(|| format!("error parsing ip: {} is not a string", shown(ip)))?;
        let parsed: IpAddr = ip.parse().map_err(|_| format!("error parsing ip: {ip}"))?;
        addresses.extend(address(&parsed));
    }
    let mut out = Vec::new();
    for name in names.as_list().map_or(&[][..], |l| l.items()) {
        let unfit = || format!("error processing alternate dns name: {} is not a string", shown(name));
        out.extend(dns_name(&name.text().ok_or_else(unfit)?)?);
    }
    out.extend(addresses);
    Ok(out)
}

fn template(exec: &Exec, cn: &str, names: Vec<u8>, days: i64, ca: bool) -> Result<Template, String> {
    let (seconds, _) = exec.host::<Host>().map_or((0, 0), Host::time);
    let days = days.clamp(-1_000_000, 1_000_000);
    let to = Time::new(seconds + days * 86_400, 0);
    if to.wall().year > 9999 {
        return Err("error creating certificate: cannot represent time as GeneralizedTime".to_owned());
    }
    Ok(Template { subject: common_name(cn), names, from: Time::new(seconds, 0), to, ca })
}

/// The key of a call: the one given in PEM, or a new RSA key of 2048 bits.
fn key_for(draw: &mut Draw, given: Option<&Value>) -> Result<PrivateKey, String> {
    match given {
        Some(pem) => PrivateKey::from_pem(&text(pem)).map_err(|e| format!("parsing private key: {e}")),
        None => PrivateKey::rsa(draw, 2048),
    }
}

fn finish(t: &Template, draw: &mut Draw, key: &PrivateKey, signer: Option<Signer<'_>>) -> FuncResult {
    let mut serial = [0; 16];
    draw.fill(&mut serial);
    // An authority's own key id is in its own certificate only; a self-signed leaf has none.
    let own = Signer { key, subject: t.subject.clone(), key_id: None };
    let cert = issue(t, &serial, key, &signer.unwrap_or(own))?;
    Ok(Value::Object(Rc::new(Certificate { cert, key: key.to_pem()? })))
}

fn gen_ca(exec: &Exec, name: &str, a: &[Value]) -> FuncResult {
    let mut draw = draw(exec, name, a)?;
    let key = key_for(&mut draw, a.get(2))?;
    let t = template(exec, &text(&a[0]), Vec::new(), int(&a[1]), true)?;
    finish(&t, &mut draw, &key, None)
}

fn gen_self_signed(exec: &Exec, name: &str, a: &[Value]) -> FuncResult {
    let mut draw = draw(exec, name, a)?;
    let key = key_for(&mut draw, a.get(4))?;
    let t = template(exec, &text(&a[0]), alternative_names(&a[1], &a[2])?, int(&a[3]), false)?;
    finish(&t, &mut draw, &key, None)
}

fn gen_signed(exec: &Exec, name: &str, a: &[Value]) -> FuncResult {
    let ca = match &a[4] {
        Value::Object(o) => o.as_any().downcast_ref::<Certificate>(),
        _ => None,
    };
    let ca = ca.ok_or("the authority is not a certificate")?;
    let mut draw = draw(exec, name, a)?;
    let key = key_for(&mut draw, a.get(5))?;
    let (_, bytes) = pem::decode(&ca.cert).ok_or("unable to decode certificate")?;
    let parsed = read_signer(&bytes);
    let (subject, key_id) =
        parsed.ok_or("error parsing certificate: decodedSignerCert.Bytes: x509: malformed certificate")?;
    let signing = PrivateKey::from_pem(&ca.key).map_err(|e| format!("error parsing private key: {e}"))?;
    let t = template(exec, &text(&a[0]), alternative_names(&a[1], &a[2])?, int(&a[3]), false)?;
    finish(&t, &mut draw, &key, Some(Signer { key: &signing, subject, key_id }))
}

fn build_custom(_: &mut Exec, a: &[Value]) -> FuncResult {
    let decode = |v: &Value, what: &str| {
        let bytes = b64dec(text(v).as_bytes()).map_err(|_| format!("unable to decode base64 {what}"))?;
        Ok::<_, String>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let (cert, key) = (decode(&a[0], "certificate")?, decode(&a[1], "private key")?);
    let (_, bytes) = pem::decode(&cert).ok_or("unable to decode certificate")?;
    read_signer(&bytes).ok_or("error parsing certificate: decodedCert.Bytes: x509: malformed certificate")?;
    PrivateKey::from_pem(&key).map_err(|e| format!("error parsing private key: {e}"))?;
    Ok(Value::Object(Rc::new(Certificate { cert, key })))
}

pub(super) const TABLE: &[Entry] = &[
    ("genCA", fixed(&[S, I], CERTIFICATE), |x, a| gen_ca(x, "genCA", a)),
    ("genCAWithKey", fixed(&[S, I, S], CERTIFICATE), |x, a| gen_ca(x, "genCAWithKey", a)),
    ("genSelfSignedCert", fixed(&[S, LIST, LIST, I], CERTIFICATE), |x, a| {
        gen_self_signed(x, "genSelfSignedCert", a)
    }),
    ("genSelfSignedCertWithKey", fixed(&[S, LIST, LIST, I, S], CERTIFICATE), |x, a| {
        gen_self_signed(x, "genSelfSignedCertWithKey", a)
    }),
    ("genSignedCert", fixed(&[S, LIST, LIST, I, CERTIFICATE], CERTIFICATE), |x, a| {
        gen_signed(x, "genSignedCert", a)
    }),
    ("genSignedCertWithKey", fixed(&[S, LIST, LIST, I, CERTIFICATE, S], CERTIFICATE), |x, a| {
        gen_signed(x, "genSignedCertWithKey", a)
    }),
    ("buildCustomCert", fixed(&[S, S], CERTIFICATE), build_custom),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::sprig::Randomness;

    fn exec(seed: u8) -> Exec {
        let randomness = Randomness::Stable { seed: [seed; 32], release: "test".into() };
        let host = Host::new(randomness, (1_700_000_000, 0), Rc::new(()));
        Exec::new(crate::template::Set::new(Rc::default()), Default::default(), Rc::new(host))
    }

    fn cert(v: &Value) -> (String, String) {
        let Value::Object(o) = v else { panic!("not an object") };
        let c = o.as_any().downcast_ref::<Certificate>().unwrap();
        (c.cert.clone(), c.key.clone())
    }

    #[test]
    fn stable_certificates_are_equal_for_a_seed_and_signed_by_their_authority() {
        let key = PrivateKey::p256(&mut draw(&exec(7), "key", &[]).unwrap()).to_pem().unwrap();
        let args = [Value::str("root"), Value::int(365), Value::str(key)];
        let ca = gen_ca(&exec(1), "genCAWithKey", &args).unwrap();
        let (again, other) = (
            gen_ca(&exec(1), "genCAWithKey", &args).unwrap(),
            gen_ca(&exec(2), "genCAWithKey", &args).unwrap(),
        );
        assert_eq!(cert(&ca).0, cert(&again).0);
        assert_ne!(cert(&ca).0, cert(&other).0, "the serial number is drawn");

        let leaf_key = PrivateKey::ed25519(&mut draw(&exec(7), "leaf", &[]).unwrap()).to_pem().unwrap();
        let names = Value::list(vec![Value::str("a.example")]);
        let ips = Value::list(vec![Value::str("10.0.0.1")]);
        let args = [Value::str("leaf"), ips, names, Value::int(30), ca.clone(), Value::str(leaf_key)];
        let leaf = gen_signed(&exec(1), "genSignedCertWithKey", &args).unwrap();
        let (_, der_bytes) = pem::decode(&cert(&leaf).0).unwrap();
        let (_, certificate, _, _) = der::first(&der_bytes).unwrap();
        let (_, _, body, rest) = der::first(certificate).unwrap();
        let signature = der::first(der::first(rest).unwrap().3).unwrap().1;
        let authority = PrivateKey::from_pem(&cert(&ca).1).unwrap();
        assert_eq!(authority.sign(body), &signature[1..], "the signature is the authority's over the body");
        assert!(
            gen_signed(&exec(1), "x", &[Value::str("x"), Value::Nil, Value::Nil, Value::int(1), Value::Nil])
                .is_err()
        );
    }
}
