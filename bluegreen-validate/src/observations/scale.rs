//! The log-linear scale of histograms: 32 equal parts of each power of two.
//!
//! A bucket is a range of the bits of positive floats, which rise as the floats do. So where a
//! value belongs is found with a subtraction and a shift, and exactly.

/// How many bits of the mantissa tell buckets apart.
const BITS: u32 = 5;
const SHIFT: u32 = f64::MANTISSA_DIGITS - 1 - BITS;
/// 2⁻³⁰: below a nanosecond nothing is told apart.
const LEAST: f64 = 1.0 / 1_073_741_824.0;
/// 2⁴⁰, a trillion.
const MOST: f64 = 1_099_511_627_776.0;
/// The bits that the values just above [`LEAST`] have in common.
const FIRST: u64 = LEAST.to_bits() >> SHIFT;

/// The bucket of all values above the last bound.
pub(super) const ABOVE: u16 = 70 * (1 << BITS) + 2;

/// The bucket of a value that is a number.
pub(super) fn bucket(value: f64) -> u16 {
    if value <= 0.0 {
        0
    } else if value <= LEAST {
        1
    } else if value > MOST {
        ABOVE
    } else {
        // The upper bound is in the bucket, the lower one is not.
        let number = ((value.to_bits() - 1) >> SHIFT) - FIRST + 2;
        u16::try_from(number).unwrap_or(ABOVE)
    }
}

/// The upper bound of a bucket. The one above all has none.
pub(super) fn upper(bucket: u16) -> f64 {
    match bucket {
        0 => 0.0,
        1 => LEAST,
        ABOVE.. => f64::INFINITY,
        _ => f64::from_bits((FIRST + u64::from(bucket) - 1) << SHIFT),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bounds_rise_from_zero_to_infinity() {
        let bounds: Vec<f64> = (0..=ABOVE).map(upper).collect();
        assert!(bounds.windows(2).all(|two| two[0] < two[1]));
        assert_eq!((bounds[0], bounds[1], bounds[2]), (0.0, LEAST, LEAST * (1.0 + 1.0 / 32.0)));
        assert_eq!(bounds[usize::from(ABOVE) - 1].to_bits(), MOST.to_bits());
        for bucket_ in 0..ABOVE {
            assert_eq!(bucket(upper(bucket_)), bucket_, "the bound is in the bucket");
        }
        assert_eq!(bucket(f64::MAX), ABOVE);
        assert_eq!((bucket(-0.0), bucket(f64::MIN), bucket(f64::MIN_POSITIVE)), (0, 0, 1));
    }

    proptest! {
        #[test]
        fn a_value_is_between_the_bounds_of_its_bucket(
            value in prop_oneof![any::<f64>().prop_filter("a number", |it| !it.is_nan()), 0.0..1e4],
        ) {
            let found = bucket(value);
            prop_assert!(value <= upper(found));
            prop_assert!(found == 0 || value > upper(found - 1));
            if (LEAST..MOST).contains(&value) {
                prop_assert!(upper(found) <= value * (1.0 + 1.0 / 32.0), "{} of {}", found, value);
            }
        }
    }
}
