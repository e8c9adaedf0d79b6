//! shopspring/decimal as far as `addf`, `subf`, `mulf`, `divf` use it: exact, division to 16 places.

use num_bigint::{BigInt, Sign};

/// `value × 10^exponent`.
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    value: BigInt,
    exponent: i64,
}

/// Places after the point that a division keeps.
const PLACES: i64 = 16;
/// How many digits a number may grow to by multiplication.
const MOST_DIGITS: u64 = 100_000;

fn power(n: i64) -> BigInt {
    BigInt::from(10).pow(u32::try_from(n).unwrap_or(u32::MAX))
}

impl Decimal {
    /// The decimal that the shortest text of the float says.
    pub(super) fn from_float(f: f64) -> Result<Self, String> {
        if !f.is_finite() {
            let name =
                if f.is_nan() { "NaN".to_owned() } else { format!("{}Inf", if f > 0.0 { '+' } else { '-' }) };
            return Err(format!("Cannot create a Decimal from {name}"));
        }
        let shown = format!("{f:e}");
        let (mantissa, exponent) = shown.split_once('e').ok_or("not a number")?;
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let value = format!("{whole}{fraction}").parse().map_err(|e| format!("{shown}: {e}"))?;
        let exponent: i64 = exponent.parse().map_err(|e| format!("{shown}: {e}"))?;
        Ok(Self { value, exponent: exponent - fraction.len() as i64 })
    }

    /// The nearest float.
    pub(super) fn to_float(&self) -> f64 {
        format!("{}e{}", self.value, self.exponent).parse().unwrap_or(f64::NAN)
    }

    fn scaled(&self, exponent: i64) -> BigInt {
        &self.value * power(self.exponent - exponent)
    }

    pub(super) fn add(self, other: &Self) -> Result<Self, String> {
        let exponent = self.exponent.min(other.exponent);
        Ok(Self { value: self.scaled(exponent) + other.scaled(exponent), exponent })
    }

    pub(super) fn sub(self, other: &Self) -> Result<Self, String> {
        self.add(&Self { value: -&other.value, exponent: other.exponent })
    }

    pub(super) fn mul(self, other: &Self) -> Result<Self, String> {
        if self.value.bits() + other.value.bits() > MOST_DIGITS * 4 {
            return Err(format!("a product of more than {MOST_DIGITS} digits"));
        }
        Ok(Self { value: &self.value * &other.value, exponent: self.exponent + other.exponent })
    }

    pub(super) fn div(self, other: &Self) -> Result<Self, String> {
        if other.value.sign() == Sign::NoSign {
            return Err("decimal division by 0".to_owned());
        }
        let shift = self.exponent - other.exponent + PLACES;
        let (mut over, mut under) = (self.value, other.value.clone());
        if shift >= 0 {
            over *= power(shift);
        } else {
            under *= power(-shift);
        }
        let (mut quotient, rest) = (&over / &under, &over % &under);
        if rest.magnitude() * 2_u8 >= *under.magnitude() {
            quotient += if over.sign() == under.sign() { 1 } else { -1 };
        }
        Ok(Self { value: quotient, exponent: -PLACES })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_add_without_binary_noise_and_divide_to_sixteen_places() {
        let d = |f| Decimal::from_float(f).unwrap();
        assert_eq!(d(0.1).add(&d(0.2)).unwrap().to_float(), 0.3);
        assert_eq!(d(1.0).div(&d(3.0)).unwrap().to_float(), 0.333_333_333_333_333_3);
        assert_eq!(d(-2.0).div(&d(3.0)).unwrap().to_float(), -0.666_666_666_666_666_7);
        assert_eq!(d(1.5e300).mul(&d(2.0)).unwrap().to_float(), 3e300);
        assert!(d(1.0).div(&d(0.0)).is_err());
    }
}
