//! How lengths of time are sorted into buckets: 16 to each power of two, in microseconds.
//!
//! Below 16 µs a bucket is one microsecond wide; above, a sixteenth of the power of two it is in, so that what is read
//! back is at most 6.25 % too large and never too small. Everything from about 71 minutes on is in the last bucket;
//! the longest of all is kept apart, to the microsecond.

/// Buckets to a power of two, and its binary logarithm.
const SUB: usize = 16;
const SUB_BITS: usize = 4;
/// The powers of two above those that have a bucket to each microsecond.
const POWERS: usize = 28;
/// How many buckets there are.
pub const BUCKETS: usize = SUB + POWERS * SUB;
/// The longest time that has a bucket of its own kind, in microseconds: 2^32 - 1.
const MICROS_MAX: u64 = (1 << (SUB_BITS + POWERS)) - 1;

/// The bucket of a length of time, in microseconds.
pub fn bucket(micros: u64) -> usize {
    let micros = micros.min(MICROS_MAX);
    if micros < SUB as u64 {
        return micros as usize;
    }
    let power = micros.ilog2() as usize;
    let within = (micros >> (power - SUB_BITS)) as usize - SUB;
    (power - SUB_BITS + 1) * SUB + within
}

/// The longest time in a bucket.
pub(super) fn upper(bucket: usize) -> u64 {
    if bucket < SUB {
        return bucket as u64;
    }
    let shift = bucket / SUB - 1;
    (((SUB + bucket % SUB) as u64 + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_in_the_bucket_whose_bounds_it_is_within() {
        let mut below = None;
        for bucket in 0..BUCKETS {
            let above = upper(bucket);
            let from = below.map_or(0, |below| below + 1);
            assert!(above >= from);
            for micros in [from, above] {
                assert_eq!(super::bucket(micros), bucket, "{micros}");
            }
            let width = above - from;
            assert!(width as f64 <= from as f64 / 16.0, "{bucket}");
            below = Some(above);
        }
        assert_eq!(below, Some(MICROS_MAX));
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
