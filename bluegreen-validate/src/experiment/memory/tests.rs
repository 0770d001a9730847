//! What is kept, and of how many looks.

use super::super::decide::tests::begun;
use super::*;

fn point(number: u64) -> Point {
    let effect = Effect {
        candidate_units: number,
        live_units: number,
        candidate: 0.0,
        live: 0.0,
        difference: 0.1,
        lower: -0.3,
        upper: 0.5,
    };
    Point { at: Timestamp::from_unix_millis(number), effect }
}

#[test]
fn it_is_read_as_it_was_written_and_by_no_other_version() {
    let mut memory = begun();
    memory.note(point(1));
    memory.ended = Some((Timestamp::default(), Conclusion::NoDifference));
    let bytes = memory.write("ab").unwrap();
    assert_eq!(Memory::read("ab", Some(&bytes)).unwrap(), Some(memory));
    assert_eq!(Memory::read("ab", None).unwrap(), None);
    let text = String::from_utf8(bytes).unwrap().replacen("\"version\":1", "\"version\":2", 1);
    let error = Memory::read("ab", Some(text.as_bytes())).unwrap_err();
    assert!(error.chain().contains("found a state of the format 2, wanted 1"), "{error:?}");
    assert_eq!(Memory::read("ab", Some(b"?")).unwrap_err().kind(), ErrorKind::Rejected);
}

#[test]
fn of_many_looks_some_are_kept_and_the_last() {
    let mut memory = begun();
    for number in 0..80_000 {
        memory.note(point(number));
        assert!(memory.points.len() <= MOST_POINTS, "{}", memory.points.len());
        assert_eq!(memory.points.last().unwrap().at.unix_millis(), number);
    }
    let places: Vec<u64> = memory.points.iter().map(|it| it.at.unix_millis()).collect();
    assert!(places.len() > MOST_POINTS / 3, "{}", places.len());
    let grid = &places[..places.len() - 1];
    assert!(grid.windows(2).all(|two| two[1] - two[0] == memory.every), "{grid:?}");
    assert!(memory.write("ab").unwrap().len() < 150_000);
}
