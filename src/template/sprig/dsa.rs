//! `genPrivateKey "dsa"`: a DSA key with parameters of 2048 and 256 bits, as Go's `crypto/dsa` makes them and sprig prints them.

use num_bigint_dig::BigUint;
use num_bigint_dig::prime::probably_prime;

use super::host::Draw;
use super::{der, pem};

/// Bits of the modulus and of the order of the subgroup.
const SIZES: (usize, usize) = (2048, 256);
/// Miller-Rabin rounds, as in Go.
const ROUNDS: usize = 64;

/// A domain and a key in it.
struct Key {
    p: BigUint,
    q: BigUint,
    g: BigUint,
    x: BigUint,
    y: BigUint,
}

/// A new key in sprig's form: version, p, q, g, y, x.
pub(super) fn pem(draw: &mut Draw) -> String {
    let key = generate(draw, SIZES);
    let numbers = [&key.p, &key.q, &key.g, &key.y, &key.x].map(|n| der::integer(&n.to_bytes_be()));
    let version = der::integer(&[0]);
    let parts: Vec<&[u8]> = std::iter::once(&version).chain(&numbers).map(Vec::as_slice).collect();
    pem::encode("DSA PRIVATE KEY", &der::sequence(&parts))
}

fn number(draw: &mut Draw, bits: usize) -> BigUint {
    let mut bytes = vec![0; bits / 8];
    draw.fill(&mut bytes);
    BigUint::from_bytes_be(&bytes)
}

/// An odd number with its highest bit set.
fn candidate(draw: &mut Draw, bits: usize) -> BigUint {
    let mut bytes = vec![0; bits / 8];
    draw.fill(&mut bytes);
    bytes[0] |= 0x80;
    bytes[bits / 8 - 1] |= 1;
    BigUint::from_bytes_be(&bytes)
}

fn generate(draw: &mut Draw, (large, small): (usize, usize)) -> Key {
    let one = BigUint::from(1_u8);
    let (p, q) = loop {
        let q = candidate(draw, small);
        if !probably_prime(&q, ROUNDS) {
            continue;
        }
        let found = (0..4 * large).find_map(|_| {
            let p = candidate(draw, large);
            let rest = &p % &q;
            let p = p + &one - rest;
            (p.bits() >= large && probably_prime(&p, ROUNDS)).then_some(p)
        });
        if let Some(p) = found {
            break (p, q);
        }
    };
    let exponent = (&p - &one) / &q;
    let mut h = BigUint::from(2_u8);
    let g = loop {
        let g = h.modpow(&exponent, &p);
        if g != one {
            break g;
        }
        h += &one;
    };
    let x = loop {
        let x = number(draw, small);
        if x != BigUint::from(0_u8) && x < q {
            break x;
        }
    };
    let y = g.modpow(&x, &p);
    Key { p, q, g, x, y }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::host::{Host, Randomness};
    use super::*;

    #[test]
    fn a_key_lies_in_a_group_of_prime_order() {
        // Small numbers: an unoptimised build takes minutes for the real sizes.
        let mut draw = Host::new(Randomness::Random { entropy: [7; 32] }, (0, 0), Rc::new(()))
            .draw(&[], "x", &[])
            .unwrap();
        let key = generate(&mut draw, (512, 160));
        let one = BigUint::from(1_u8);
        assert_eq!((key.p.bits(), key.q.bits()), (512, 160));
        assert_eq!((&key.p - &one) % &key.q, BigUint::from(0_u8));
        assert_eq!(key.g.modpow(&key.q, &key.p), one);
        assert_eq!(key.g.modpow(&key.x, &key.p), key.y);
    }
}
