//! A run as a page for a browser: figures, and two pictures drawn in SVG. It asks nobody for anything else.

use std::fmt::Write as _;

use crate::figures::Figures;
use crate::report::text::{SHARES, milliseconds};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
/// Room for the numbers at the axes.
const MARGIN: f64 = 60.0;

/// Colours that stay apart in print and for most eyes; more curves than these repeat them.
const COLOURS: &[&str] = &["#0b6fb8", "#c2410c", "#15803d", "#7e22ce", "#555555"];

/// Steps of the curve of latencies: from the median's side to p99.99, ten for each nine.
const STEPS: u32 = 40;

/// The whole page; each run has a name, the curves of all stand in the same pictures.
pub fn of(title: &str, runs: &[(String, Figures)]) -> String {
    let title = escaped(title);
    let latencies: Vec<Curve> = runs.iter().map(|(name, it)| (name.as_str(), latency_curve(it))).collect();
    let course: Vec<Curve> = runs.iter().map(|(name, it)| (name.as_str(), course_curve(it))).collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title><style>\
         body{{font:15px/1.5 system-ui,sans-serif;max-width:60em;margin:2em auto;padding:0 1em}}\
         table{{border-collapse:collapse}}td,th{{padding:.2em .8em;text-align:right;border-bottom:1px solid #ccc}}\
         td:first-child,th:first-child{{text-align:left}}</style><h1>{title}</h1>\n{}\
         <h2>Latency by share of answers</h2>\n{}\n<h2>Right answers a second</h2>\n{}\n</html>\n",
        table(runs),
        picture(&latencies, &nines(), "ms"),
        picture(&course, &[], "/s"),
    )
}

type Curve<'a> = (&'a str, Vec<(f64, f64)>);

fn table(runs: &[(String, Figures)]) -> String {
    let mut out =
        String::from("<table><tr><th>run<th>request<th>answers/s<th>errors<th>server CPU us/answer");
    SHARES.iter().for_each(|(name, _)| {
        let _ = write!(out, "<th>{name} ms");
    });
    for (name, figures) in runs {
        let cpu = figures.server_us_per_answer().map(|it| format!("{it:.1}")).unwrap_or_default();
        for (request, row) in &figures.rows {
            let rate = row.latencies.count() as f64 / figures.seconds;
            let (name, request) = (escaped(name), escaped(request));
            let _ = write!(out, "\n<tr><td>{name}<td>{request}<td>{rate:.0}<td>{}<td>{cpu}", row.errors());
            SHARES.iter().for_each(|(_, at)| {
                let _ = write!(out, "<td>{}", milliseconds(row.latencies.at(*at)));
            });
            for (complaint, count) in &row.complaints {
                let _ = write!(out, "\n<tr><td><td colspan=9>{count} times: {}", escaped(complaint));
            }
        }
    }
    out + "</table>\n"
}

/// Across: nines, so that p99.99 has as much room as p90. Up: milliseconds.
fn latency_curve(figures: &Figures) -> Vec<(f64, f64)> {
    let total = figures.total();
    let point = |step: u32| {
        let nines = f64::from(step) / 10.0;
        (nines, total.latencies.at(1.0 - 10_f64.powf(-nines)) as f64 / 1e3)
    };
    (0..=STEPS).map(point).collect()
}

/// Across: seconds. Up: right answers a second.
fn course_curve(figures: &Figures) -> Vec<(f64, f64)> {
    let slots = figures.slots.iter().take((figures.seconds * 10.0) as usize).enumerate();
    slots.map(|(at, slot)| (at as f64 / 10.0, slot.answers as f64 * 10.0)).collect()
}

fn nines() -> Vec<(f64, String)> {
    [(std::f64::consts::LOG10_2, "p50"), (1.0, "p90"), (2.0, "p99"), (3.0, "p99.9"), (4.0, "p99.99")]
        .map(|(at, name)| (at, name.to_owned()))
        .to_vec()
}

/// The curves over axes that begin at 0. Without `marks`, the axis across is in seconds.
fn picture(curves: &[Curve<'_>], marks: &[(f64, String)], unit: &str) -> String {
    let points = || curves.iter().flat_map(|(_, curve)| curve);
    let right = points().map(|(x, _)| *x).fold(0.0, f64::max).max(0.1);
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max).max(1e-3);
    let place = |x: f64, y: f64| (MARGIN + x / right * WIDTH, 10.0 + HEIGHT - y / top * HEIGHT);
    let (wide, high) = (WIDTH + 2.0 * MARGIN, HEIGHT + 60.0);
    let mut out =
        format!("<svg viewBox=\"0 0 {wide} {high}\" font-size=\"12\" fill=\"none\" stroke-width=\"1.5\">");
    for step in 0..=4 {
        let value = top * f64::from(step) / 4.0;
        let (x, y) = place(0.0, value);
        let digits = if top < 10.0 { 2 } else { 0 };
        let _ = write!(
            out,
            "<path d=\"M{x} {y:.1}h{WIDTH}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{y:.1}\" text-anchor=\"end\" fill=\"#333\">{value:.digits$}{unit}</text>",
            x - 6.0
        );
    }
    let seconds = (0..=4).map(|step| right * f64::from(step) / 4.0).map(|at| (at, format!("{at:.1} s")));
    let marks = if marks.is_empty() { seconds.collect() } else { marks.to_vec() };
    for (at, name) in marks {
        let (x, y) = place(at, 0.0);
        let _ = write!(
            out,
            "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#333\">{name}</text>",
            y + 16.0
        );
    }
    for ((name, curve), (number, colour)) in curves.iter().zip(COLOURS.iter().cycle().enumerate()) {
        let points = curve.iter().map(|(x, y)| place(*x, *y));
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let x = MARGIN + 130.0 * number as f64;
        let _ = write!(
            out,
            "<polyline points=\"{}\" stroke=\"{colour}\"/><text x=\"{x}\" y=\"{}\" fill=\"{colour}\">{}</text>",
            points.join(" "),
            HEIGHT + 48.0,
            escaped(name)
        );
    }
    out + "</svg>"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::{Row, Slot};

    #[test]
    fn a_page_shows_every_run_and_escapes_what_servers_said() {
        let mut row = Row::default();
        (1..=1000).for_each(|it| row.right(it * 1_000_000, 10));
        row.wrong("status <500>".into());
        let slots = vec![Slot { answers: 100, errors: 0, slowest_us: 5 }; 10];
        let figures = Figures { seconds: 1.0, rows: vec![("read".into(), row)], slots, ..Figures::default() };
        let page = of("a & b", &[("one".into(), figures.clone()), ("two".into(), figures)]);
        for part in ["<h1>a &amp; b</h1>", "status &lt;500&gt;", "p99.99", ">two</text>", "990"] {
            assert!(page.contains(part), "{part} is not in:\n{page}");
        }
        assert_eq!(page.matches("<polyline").count(), 4);
    }

    #[test]
    fn a_run_without_a_single_answer_is_drawn_too() {
        assert!(
            of("nothing", &[("none".into(), Figures { seconds: 1.0, ..Figures::default() })])
                .contains("</svg>")
        );
    }
}
