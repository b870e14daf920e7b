//! The three plots of the report.

use crate::compare::Spread;
use crate::report::Results;
use crate::report::svg::Anchor;
use crate::report::svg::Drawing;
use crate::report::svg::HEIGHT;
use crate::report::svg::Scale;
use crate::report::svg::WIDTH;
use crate::report::tables::short;
use crate::row::Series;
use crate::settings::SETTINGS;
use crate::target::Peer;

/// Where curves are drawn.
const LEFT: f64 = 70.0;
const RIGHT: f64 = WIDTH - 20.0;
const TOP: f64 = 60.0;
const BOTTOM: f64 = HEIGHT - 45.0;

/// Bars, each setting with a scale of its own: the settings are not to be compared with each other.
pub(super) fn throughput(results: &Results) -> String {
    let mut drawing =
        Drawing::new("Answers in a second: median, least and most; each setting to its own scale");
    drawing.legend(&Peer::ALL.map(Peer::name));
    let width = (WIDTH - 40.0) / SETTINGS.len() as f64;
    for (group, setting) in SETTINGS.into_iter().enumerate() {
        let left = 20.0 + width * group as f64;
        let bar = width / 4.0;
        let spreads = Peer::ALL
            .map(|peer| results.spread((Series::Peers, setting.name, peer.name()), |row| row.rate));
        let most = spreads.iter().flatten().map(|spread| spread.max).fold(0.0, f64::max);
        let scale = Scale::linear([0.0, most], [BOTTOM, TOP + 10.0]);
        for (index, spread) in spreads.into_iter().enumerate() {
            let Some(Spread { min, median, max }) = spread else { continue };
            let x = left + bar * (0.5 + index as f64);
            let top = scale.place(median);
            drawing.bar(&format!("s{index}"), [x + 2.0, top], [bar - 4.0, BOTTOM - top]);
            let middle = x + bar / 2.0;
            drawing.line("whisker", &[[middle, scale.place(min)], [middle, scale.place(max)]]);
            drawing.text([middle, scale.place(max) - 4.0], Anchor::Middle, thousands(median));
        }
        let name = format!("{}: {} bytes", setting.name, short(setting.payload as f64));
        drawing.text([left + width / 2.0, BOTTOM + 18.0], Anchor::Middle, name);
        let sizes =
            format!("{} + {}, {}", setting.requesters, setting.handlers, setting.outstanding);
        drawing.text([left + width / 2.0, BOTTOM + 34.0], Anchor::Middle, sizes);
    }
    drawing.line("axis", &[[20.0, BOTTOM], [WIDTH - 20.0, BOTTOM]]);
    drawing.finish()
}

/// p99 as lines, p50 dashed, over the rate at which requests were due.
pub(super) fn latency(results: &Results) -> String {
    let curves = |figure: fn(&crate::row::Row) -> f64| {
        Peer::ALL.map(|peer| {
            let at = |load: f64| {
                let rows = || results.at_load(peer.name(), load);
                let due = Spread::of(rows().filter_map(|row| row.due))?;
                Some([due.median, Spread::of(rows().map(figure))?.median])
            };
            results.loads().into_iter().filter_map(at).collect::<Vec<_>>()
        })
    };
    let (p50, p99) = (curves(|row| row.p50), curves(|row| row.p99));
    let mut drawing =
        Drawing::new("Latency in µs over requests due in a second: p99, and p50 dashed");
    let values = || p50.iter().chain(&p99).flatten();
    let (least, most) = values().fold((f64::MAX, 1.0), |(least, most): (f64, f64), point| {
        (least.min(point[1]), most.max(point[1]))
    });
    let powers =
        [least.min(most).log10().floor(), most.log10().ceil()].map(|power| 10f64.powf(power));
    let x = Scale::linear([0.0, values().map(|point| point[0]).fold(1.0, f64::max)], [LEFT, RIGHT]);
    let y = Scale::logarithmic(powers, [BOTTOM, TOP]);
    axes(&mut drawing, (x, "requests due in a second"), y);
    draw(&mut drawing, (x, y), &p50, "thin ");
    draw(&mut drawing, (x, y), &p99, "");
    drawing.finish()
}

/// Resident memory over idle sessions.
pub(super) fn memory(results: &Results) -> String {
    let curves = Peer::ALL.map(|peer| {
        let rows = results.memory.iter().filter(|row| row.peer == peer.name() && row.handlers == 0);
        rows.map(|row| [row.sessions as f64, row.kib as f64 / 1024.0]).collect::<Vec<_>>()
    });
    let most = |at: usize| curves.iter().flatten().map(|point| point[at]).fold(1.0, f64::max);
    let mut drawing = Drawing::new("Resident memory of the server in MiB over idle sessions");
    let x = Scale::linear([0.0, most(0)], [LEFT, RIGHT]);
    let y = Scale::linear([0.0, most(1)], [BOTTOM, TOP]);
    axes(&mut drawing, (x, "idle sessions"), y);
    draw(&mut drawing, (x, y), &curves, "");
    drawing.finish()
}

fn axes(drawing: &mut Drawing, (x, name): (Scale, &str), y: Scale) {
    drawing.legend(&Peer::ALL.map(Peer::name));
    for tick in y.ticks() {
        let at = y.place(tick);
        drawing.line("grid", &[[LEFT, at], [RIGHT, at]]);
        drawing.text([LEFT - 8.0, at + 4.0], Anchor::End, short(tick));
    }
    for tick in x.ticks() {
        drawing.text([x.place(tick), BOTTOM + 18.0], Anchor::Middle, short(tick));
    }
    drawing.line("axis", &[[LEFT, TOP], [LEFT, BOTTOM], [RIGHT, BOTTOM]]);
    drawing.text([f64::midpoint(LEFT, RIGHT), BOTTOM + 36.0], Anchor::Middle, name);
}

fn draw(drawing: &mut Drawing, (x, y): (Scale, Scale), curves: &[Vec<[f64; 2]>; 3], style: &str) {
    for (index, curve) in curves.iter().enumerate() {
        let points: Vec<_> =
            curve.iter().map(|[at, value]| [x.place(*at), y.place(*value)]).collect();
        drawing.line(&format!("line {style}s{index}"), &points);
        for point in points {
            drawing.dot(&format!("s{index}"), point);
        }
    }
}

fn thousands(value: f64) -> String {
    format!("{} k", short(value / 1000.0))
}
