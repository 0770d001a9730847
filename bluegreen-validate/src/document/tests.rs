use std::collections::BTreeMap;

use bluegreen_core::Problem;
use serde::Deserialize;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Garden {
    name: String,
    #[serde(default)]
    beds: Vec<Bed>,
    #[serde(default)]
    notes: BTreeMap<String, serde_json::Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Bed {
    plant: Plant,
    rows: u8,
    #[serde(default)]
    wet: Option<bool>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Plant {
    Grass,
    Tree(String),
}

fn garden(name: &str, text: &str) -> Result<Garden, Vec<String>> {
    let check = |garden: &Garden, original: Original<'_>| {
        let tall = garden.beds.iter().enumerate().filter(|(_, bed)| bed.rows > 10);
        tall.map(|(index, bed)| {
            let path = original(&["beds".into(), index.into(), "rows".into()]);
            let object = text_of(&path);
            (path, Problem::new("rows", object).found(bed.rows.to_string()))
        })
        .collect()
    };
    read(Source { name, text }, check)
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

const GOOD: &str = r#"{"name": "g", "beds": [
  {"plant": "grass", "rows": 3},
  {"plant": {"tree": "öak"}, "rows": 4, "wet": null}
], "notes": {"a": [1, -2, 2.5, true, null, {"b": "c"}]}}"#;

#[test]
fn reads_json() {
    let read = garden("g.json", GOOD).unwrap();
    assert_eq!(read, serde_json::from_str(GOOD).unwrap());
    assert_eq!(read.beds[1].plant, Plant::Tree("öak".into()));
}

#[test]
fn names_every_fault_with_its_place() {
    let text = "{\n  \"nam\": \"g\",\n  \"beds\": [\n    {\"plant\": \"weed\", \"rows\": 3},\n    \
                {\"plant\": {\"tree\": 7}, \"rows\": 300, \"dry\": 1},\n    \
                {\"plant\": \"grass\", \"rows\": 11},\n    {\"rows\": 1}\n  ], \"name\": \"ä\"\n}";
    assert_eq!(
        garden("g.json", text).unwrap_err(),
        [
            "g.json:2:10, nam: found unknown field `nam`, expected one of `name`, `beds`, `notes` \
             [malformed-definition]",
            "g.json:4:15, beds[0].plant: found unknown variant `weed`, expected `grass` or `tree` \
             [malformed-definition]",
            "g.json:5:24, beds[1].plant.tree: found invalid type: integer `7`, expected a string \
             [malformed-definition]",
            "g.json:5:36, beds[1].rows: found invalid value: integer `300`, expected u8 \
             [malformed-definition]",
            "g.json:5:48, beds[1].dry: found unknown field `dry`, expected one of `plant`, \
             `rows`, `wet` [malformed-definition]",
            "g.json:6:32, beds[2].rows: found 11 [rows]",
            "g.json:7:5, beds[3]: found missing field `plant` [malformed-definition]",
        ]
    );
}

#[test]
fn columns_of_one_long_line_are_counted_in_characters_and_in_time() {
    let good = "{\"plant\": {\"tree\": \"ö\"}, \"rows\": 3}, ".repeat(100_000);
    let text = format!("{{\"name\": \"ä\", \"beds\": [{good}{{\"plant\": \"ß\", \"rows\": 3}}]}}");
    let problem = garden("g.json", &text).unwrap_err().remove(0);
    let column = text[..text.find("\"ß\"").unwrap()].chars().count() + 1;
    let wanted = format!("g.json:1:{column}, beds[100000].plant: found unknown variant `ß`");
    assert!(problem.starts_with(&wanted), "{problem}");
}

#[test]
fn a_fault_of_the_whole_is_the_only_one() {
    for text in ["[]", "{}", "null", "3"] {
        let problems = garden("g.json", text).unwrap_err();
        assert_eq!(problems.len(), 1, "{text}: {problems:?}");
        assert!(problems[0].starts_with("g.json:1:1: found "), "{}", problems[0]);
    }
}

#[test]
fn malformed_json_is_named_with_its_place() {
    let problem = |text| garden("g.json", text).unwrap_err().remove(0);
    assert!(problem("{\n \"name\": ,\n}").starts_with("g.json:2:10: found expected value"));
    assert!(problem("").starts_with("g.json:1:1: found EOF"));
    let twice = problem("{\"name\": \"a\",\n \"name\": \"b\"}");
    assert!(twice.starts_with("g.json:2:10: found the key `name` is there twice"), "{twice}");
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(problem(&deep).contains("more than 32 levels"), "{}", problem(&deep));
}

#[test]
fn an_unknown_ending_is_refused() {
    let problem = garden("g.toml", GOOD).unwrap_err().remove(0);
    assert!(problem.starts_with("g.toml: found a name that ends in `.toml`"), "{problem}");
    assert!(garden("g", GOOD).is_err());
}

#[test]
fn at_most_so_many_faults_are_named() {
    let beds = vec!["1"; 1000].join(",");
    let problems = garden("g.json", &format!("{{\"name\": \"\", \"beds\": [{beds}]}}"));
    assert_eq!(problems.unwrap_err().len(), 50);
}

#[cfg(feature = "yaml")]
mod yaml {
    use super::*;

    #[test]
    fn reads_yaml_as_json() {
        let text = "name: g\nbeds:\n  - plant: grass\n    rows: 3\n  - plant: { tree: öak }\n    \
                    rows: 4\n    wet: ~\nnotes:\n  a: [1, -2, 2.5, true, null, {b: c}]\n";
        assert_eq!(garden("g.yaml", text), garden("g.json", GOOD));
        // JSON is YAML.
        assert_eq!(garden("g.yml", GOOD), garden("g.json", GOOD));
    }

    #[test]
    fn names_every_fault_with_its_place() {
        let text = "nam: g\nname: g\nbeds:\n  - plant: weed\n    rows: 3\n  - plant: {tree: 7}\n    \
                    rows: 300\n    dry: 1\n  - plant: grass\n    rows: 11\n";
        let problems = garden("g.yaml", text).unwrap_err();
        let places: Vec<_> =
            problems.iter().map(|problem| problem.split(": found").next().unwrap()).collect();
        assert_eq!(
            places,
            [
                "g.yaml:1:1, nam",
                "g.yaml:4:12, beds[0].plant",
                "g.yaml:6:19, beds[1].plant.tree",
                "g.yaml:7:11, beds[1].rows",
                "g.yaml:8:5, beds[1].dry",
                "g.yaml:10:11, beds[2].rows",
            ]
        );
    }

    #[test]
    fn malformed_yaml_is_named_with_its_place() {
        let problem = |text| garden("g.yaml", text).unwrap_err().remove(0);
        for (text, place) in [
            ("name: [", "g.yaml:1:"),
            ("name: a\nname: b\n", "g.yaml:2:1: found duplicate"),
            ("name: g\nnotes: {a: .nan}\n", "g.yaml:2:"),
            ("name: g\n  beds: []\n", "g.yaml:2:"),
        ] {
            let problem = problem(text);
            assert!(problem.starts_with(place), "{text:?}: {problem}");
            assert_eq!(problem.lines().count(), 1, "{problem}");
        }
    }

    #[test]
    fn levels_are_bounded() {
        // As deep as may be fits the stack of a thread, which a test has.
        for levels in [25, 31, 40, 63] {
            let deep = format!("name: {}{}", "[".repeat(levels), "]".repeat(levels));
            assert!(garden("g.yaml", &deep).is_err());
        }
        let deep = format!("name: {}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(garden("g.yaml", &deep).is_err());
    }

    #[test]
    fn a_few_lines_do_not_become_gigabytes() {
        let mut text = String::from("name: g\nnotes:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let list = vec![format!("*a{}", level - 1); 10].join(", ");
            writeln!(text, "  a{level}: &a{level} [{list}]").unwrap();
        }
        assert!(garden("g.yaml", &text).is_err());
    }
}
