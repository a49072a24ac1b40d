//! Half-precision numbers (IEEE 754 binary16), rounded to the nearest, ties to even.

/// The largest finite one.
pub const LARGEST: f32 = 65_504.0;

/// The bits of the half-precision number nearest to `value`. Beyond the largest comes infinity.
#[must_use]
pub fn bits(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    if magnitude > 0x7f80_0000 {
        return sign | 0x7e00;
    }
    // 65520 is half-way from the largest to what would come next, and that is infinity.
    if magnitude >= 0x477f_f000 {
        return sign | 0x7c00;
    }
    let exponent = magnitude >> 23;
    if exponent < 113 {
        // Below 2^-14 the number is a multiple of 2^-24. Adding 0.5, whose last bit is 2^-24, makes the
        // addition round so.
        let rounded = (f32::from_bits(magnitude) + 0.5).to_bits() - 0.5_f32.to_bits();
        return sign | rounded as u16;
    }
    // 13 bits are dropped: half of them is added, less one where the last bit kept is even.
    let odd = (magnitude >> 13) & 1;
    let rounded = magnitude + 0xfff + odd;
    sign | ((rounded >> 13) - (112 << 10)) as u16
}

/// The number that the bits stand for.
#[must_use]
pub fn value(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10) & 0x1f, f32::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => fraction * power_of_two(-24),
        31 if fraction > 0.0 => f32::NAN,
        31 => f32::INFINITY,
        _ => (1024.0 + fraction) * power_of_two(exponent - 25),
    };
    sign * magnitude
}

/// Of −126 to 127.
const fn power_of_two(exponent: i32) -> f32 {
    f32::from_bits(((exponent + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_is_itself_and_between_two_the_nearest_is_taken() {
        for low in 0..0x7bff_u16 {
            let high = low + 1;
            let (below, above) = (value(low), value(high));
            assert_eq!(bits(below), low);
            assert_eq!(bits(-below), low | 0x8000);
            let middle = f32::midpoint(below, above);
            let even = if low % 2 == 0 { low } else { high };
            assert_eq!(bits(middle), even, "half-way from {below} to {above}");
            assert_eq!(bits(middle.next_down()), low);
            assert_eq!(bits(middle.next_up()), high);
        }
        assert_eq!(value(0x7bff), LARGEST);
        assert_eq!(bits(LARGEST), 0x7bff);
        assert_eq!(bits(65_519.99), 0x7bff);
        assert_eq!(bits(65_520.0), 0x7c00);
        assert!(value(bits(f32::NAN)).is_nan());
    }
}
