//! Durations and averages, as the columns hold them.

use chrono::{DateTime, Utc};

/// The largest number that an `INTEGER` column holds.
const COLUMN_MAX: u32 = i32::MAX.unsigned_abs();

/// The milliseconds between two times: 0 if the clock went back, and no more than a column holds
/// (24 days and 20 hours).
#[must_use]
pub fn duration_ms(from: DateTime<Utc>, to: DateTime<Utc>) -> u32 {
    let ms = (to - from).num_milliseconds().max(0);
    u32::try_from(ms).unwrap_or(COLUMN_MAX).min(COLUMN_MAX)
}

/// The average of times that sum up to `total_ms`, rounded to the nearest millisecond; 0 for none.
#[must_use]
pub fn average_ms(total_ms: u64, count: u32) -> u32 {
    let count = u64::from(count);
    let average = match count {
        0 => 0,
        _ => total_ms / count + u64::from(total_ms % count * 2 >= count),
    };
    u32::try_from(average).unwrap_or(COLUMN_MAX).min(COLUMN_MAX)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_duration_is_never_negative_and_fits_its_column() {
        let start = DateTime::UNIX_EPOCH;
        let cases = [
            (TimeDelta::microseconds(1_999), 1),
            (TimeDelta::seconds(-5), 0),
            (TimeDelta::days(30), COLUMN_MAX),
            (TimeDelta::days(3_650), COLUMN_MAX),
        ];
        for (took, expected) in cases {
            assert_eq!(duration_ms(start, start + took), expected);
        }
    }

    #[test]
    fn an_average_is_rounded_to_the_nearest() {
        let cases =
            [(0, 0, 0), (10, 0, 0), (10, 4, 3), (9, 4, 2), (u64::MAX, 1, COLUMN_MAX), (u64::MAX, u32::MAX, COLUMN_MAX)];
        for (total, count, expected) in cases {
            assert_eq!(average_ms(total, count), expected, "{total} / {count}");
        }
    }

    proptest! {
        #[test]
        fn an_average_lies_between_its_extremes(times in prop::collection::vec(0u32..1_000_000, 1..50)) {
            let total = times.iter().copied().map(u64::from).sum();
            let average = average_ms(total, u32::try_from(times.len()).unwrap());

            prop_assert!(times.iter().min() <= Some(&average) && Some(&average) <= times.iter().max());
        }
    }
}
