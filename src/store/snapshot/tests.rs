//! Both directions, and every way in which bytes can be wrong.

use std::collections::BTreeMap;
use std::io::Write;

use flate2::write::GzEncoder;

use crate::store::change::Table;
use crate::store::snapshot::decode::{Contents, DecodeBounds, Decoder};
use crate::store::snapshot::encode::Encoder;
use crate::store::snapshot::error::SnapshotError;
use crate::store::snapshot::format::{FORMAT, LINE_BYTES_MAX, OPENING, SnapshotHeader};

const ROWS: [(Table, &str, &str); 4] = [
    (Table::Nodes, "n1", r#"{"name":"n1"}"#),
    (Table::Services, "n1\tweb \"1\"", r#"{"id":"web \"1\"","tags":["ä"]}"#),
    (Table::Checks, "n1\tweb", r#"{"status":"passing","output":"a\nb"}"#),
    (Table::History, "n1\t\tweb\t0", r#"{"index":3}"#),
];

fn header(rows: &[(Table, &str, &str)]) -> SnapshotHeader {
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|(table, ..)| *counts.entry(table.name().to_owned()).or_default() += 1);
    SnapshotHeader {
        muster_snapshot: FORMAT,
        muster_version: "0.1.0".to_owned(),
        node: "n1".to_owned(),
        node_id: "adf4238a-882b-9ddc-4a9d-5b6758e4159e".to_owned(),
        datacenter: "dc1".to_owned(),
        created_at: "2026-01-01T00:00:00Z".to_owned(),
        index: 7,
        redacted: false,
        sealed_with: None,
        rows: counts,
    }
}

fn encoded(header: &SnapshotHeader, rows: &[(Table, &str, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::begin(header, &mut bytes);
    rows.iter().for_each(|(table, key, value)| encoder.row(*table, key, value.as_bytes(), &mut bytes));
    encoder.end(&mut bytes);
    bytes
}

fn whole() -> Vec<u8> {
    encoded(&header(&ROWS), &ROWS)
}

/// As much as may come.
const ANY: DecodeBounds = DecodeBounds { line_bytes_max: LINE_BYTES_MAX, bytes_max: u64::MAX };

type Decoded = (Contents, Vec<(Table, String, String)>);

fn decoded(bytes: &[u8]) -> Result<Decoded, SnapshotError> {
    let mut rows = Vec::new();
    let contents = Decoder::open(bytes, ANY)?.rows(&mut |table, key, value| {
        rows.push((table, key.to_owned(), String::from_utf8(value.to_vec()).unwrap()));
        Ok(())
    })?;
    Ok((contents, rows))
}

#[test]
fn the_bytes_are_as_drawn() {
    let text = String::from_utf8(encoded(&header(&ROWS[..1]), &ROWS[..1])).unwrap();
    let expected = concat!(
        r#"{"muster_snapshot":1,"muster_version":"0.1.0","node":"n1","node_id":"adf4238a-882b-9ddc-4a9d-5b6758e4159e","#,
        r#""datacenter":"dc1","created_at":"2026-01-01T00:00:00Z","index":7,"rows":{"nodes":1}}"#,
        "\n",
        r#"{"table":"nodes","key":"n1","value":{"name":"n1"}}"#,
        "\n",
        r#"{"end":{"rows":1,"bytes":243,"sha256":"b1dd0df45e317b935de738d57cfb098fd95296ec2ff2c62853bc8f44acad49d4"}}"#,
        "\n",
    );
    assert_eq!(text, expected);
}

#[test]
fn rows_come_back_as_they_were_plain_and_compressed() {
    let plain = whole();
    let mut compressed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(&plain).unwrap();
    for bytes in [plain.clone(), compressed.finish().unwrap()] {
        let (contents, rows) = decoded(&bytes).unwrap();
        assert_eq!(contents.header, header(&ROWS));
        assert_eq!(contents.bytes, plain.len() as u64);
        let expected = ROWS.map(|(table, key, value)| (table, key.to_owned(), value.to_owned()));
        assert_eq!(rows, expected);
    }
    assert_eq!(decoded(&encoded(&header(&[]), &[])).unwrap().1, []);
}

#[test]
fn every_length_but_the_whole_is_refused() {
    let bytes = whole();
    for length in 0..bytes.len() {
        let refusal = decoded(&bytes[..length]).unwrap_err();
        assert!(matches!(refusal, SnapshotError::Cut { .. }), "{length}: {refusal}");
    }
    for more in [&b"\n"[..], b"x", &bytes] {
        let refusal = decoded(&[&bytes, more].concat()).unwrap_err().to_string();
        assert!(refusal.contains("use another copy") || refusal.contains("fetch it again"), "{refusal}");
    }
}

#[test]
fn every_single_flipped_bit_is_refused() {
    let bytes = whole();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let refusal = decoded(&flipped).expect_err("it was altered").to_string();
        assert!(refusal.len() > 30 && !refusal.ends_with('.'), "bit {bit}: {refusal}");
    }
}

#[test]
fn no_damage_to_a_compressed_one_comes_through() {
    let plain = whole();
    let mut compressed = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    compressed.write_all(&plain).unwrap();
    let compressed = compressed.finish().unwrap();
    let expected = decoded(&plain).unwrap().1;
    for length in 0..compressed.len() {
        assert!(decoded(&compressed[..length]).is_err(), "{length}");
    }
    for bit in 0..compressed.len() * 8 {
        let mut flipped = compressed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Some bits of gzip mean nothing, such as the time in its head.
        if let Ok((_, rows)) = decoded(&flipped) {
            let rows: Vec<_> = rows.into_iter().collect();
            assert_eq!(rows, expected, "bit {bit}");
        }
    }
}

#[test]
fn what_is_no_snapshot_is_refused_with_a_remedy() {
    let header_of = |change: fn(&mut SnapshotHeader)| {
        let mut header = header(&ROWS);
        change(&mut header);
        encoded(&header, &ROWS)
    };
    let mut consul = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    consul.write_all(b"meta.json\0\0\0\0").unwrap();
    let late = [ROWS[1], ROWS[0]];
    let strange = [(Table::Meta, "m", "1")];
    let rows: [(&str, Vec<u8>, &str); 9] = [
        ("nothing", Vec::new(), "cut off after 0"),
        ("text", b"hello".to_vec(), "no snapshot of muster's"),
        ("other JSON", b"{\"a\":1}\n".to_vec(), "no snapshot of muster's"),
        ("Consul's", consul.finish().unwrap(), "muster import --from URL"),
        ("a later format", header_of(|header| header.muster_snapshot = 2), "format 2"),
        (
            "more promised",
            header_of(|it| _ = it.rows.insert("nodes".to_owned(), 2)),
            "more rows than there are",
        ),
        ("fewer promised", header_of(|it| _ = it.rows.remove("nodes")), "line 2: more nodes"),
        ("another order", encoded(&header(&late), &late), "line 3: nodes come too late"),
        ("another table", encoded(&header(&strange), &strange), "there is no table \"meta\""),
    ];
    for (name, bytes, expected) in rows {
        let refusal = decoded(&bytes).expect_err(name).to_string();
        assert!(refusal.contains(expected), "{name}: {refusal}");
    }
}

#[test]
fn a_row_that_its_receiver_refuses_is_named_by_its_line() {
    let bytes = whole();
    let refusal = Decoder::open(&bytes[..], ANY).unwrap().rows(&mut |table, _, _| match table {
        Table::Checks => Err("no such status".to_owned()),
        _ => Ok(()),
    });
    assert_eq!(
        refusal.unwrap_err().to_string(),
        "the snapshot is damaged at line 4: no such status; use another copy"
    );
}

fn compressed(bytes: &[u8]) -> Vec<u8> {
    let mut compressed = GzEncoder::new(Vec::new(), flate2::Compression::best());
    compressed.write_all(bytes).unwrap();
    compressed.finish().unwrap()
}

/// Rows of a registry of many instances that are nearly the same.
fn alike(count: usize) -> Vec<u8> {
    let rows: Vec<(String, String)> = (0..count)
        .map(|at| {
            let tags = "\"traefik.http.routers.web.rule=Host(`web.example`)\",".repeat(20);
            (format!("n\tweb-{at:06}"), format!(r#"{{"id":"web-{at:06}","name":"web","tags":[{tags}"x"]}}"#))
        })
        .collect();
    let rows: Vec<_> = rows.iter().map(|(key, value)| (Table::Services, &**key, &**value)).collect();
    encoded(&header(&rows), &rows)
}

#[test]
fn a_small_stream_does_not_become_a_large_one() {
    let real = alike(8_000);
    assert!(real.len() > 8 << 20);
    assert_eq!(decoded(&compressed(&real)).unwrap().1.len(), 8_000, "one that is packed well is taken");
    let row = format!("{{{}\"a\":1}}", " ".repeat(1 << 20));
    let rows: Vec<(String, &str)> = (0..64).map(|at| (format!("n\t{at:02}"), &*row)).collect();
    let rows: Vec<_> = rows.iter().map(|(key, value)| (Table::Services, &**key, *value)).collect();
    let bomb = compressed(&encoded(&header(&rows), &rows));
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    let refused = decoded(&bomb).unwrap_err();
    assert!(matches!(refused, SnapshotError::TooDense { .. }), "{refused}");
    assert_eq!(decoded(&encoded(&header(&rows), &rows)).unwrap().1.len(), 64, "unpacked it is as it is");
}

#[test]
fn a_line_without_end_is_not_gathered() {
    let line = [&whole()[..], &vec![b'x'; 1 << 20]].concat();
    let bounds = DecodeBounds { line_bytes_max: 4_096, ..ANY };
    let read = |bytes: &[u8]| Decoder::open(bytes, bounds)?.rows(&mut |_, _, _| Ok(()));
    assert!(matches!(read(&line), Err(SnapshotError::Damaged { .. } | SnapshotError::TooLong { .. })));
    let endless = [OPENING.as_bytes(), &vec![b'x'; 1 << 20]].concat();
    for bytes in [endless.clone(), compressed(&endless)] {
        let refused = read(&bytes).unwrap_err();
        assert!(matches!(refused, SnapshotError::TooLong { line: 1, line_bytes_max: 4_096 }), "{refused}");
    }
}
