//! Drawings in SVG: axes, lines, bars and text, in colours that can be told apart on light and dark paper.

use std::fmt::Display;
use std::fmt::Write;

/// A drawing of a fixed size.
pub(super) struct Drawing {
    body: String,
}

pub(super) const WIDTH: f64 = 760.0;
pub(super) const HEIGHT: f64 = 360.0;

/// Colours of the series, and how text and lines look.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#3a3f45}.axis{stroke:#8a9099;fill:none}\
    .grid{stroke:#8a909944;fill:none}.line{fill:none;stroke-width:2}.thin{stroke-dasharray:5 4;stroke-width:1.5}\
    .s0{stroke:#2477c9;fill:#2477c9}.s1{stroke:#d07a1f;fill:#d07a1f}.s2{stroke:#5a9a3c;fill:#5a9a3c}\
    .line{fill:none}.whisker{stroke:#3a3f45}\
    @media(prefers-color-scheme:dark){text{fill:#d5dae0}.whisker{stroke:#d5dae0}.s0{stroke:#5aa4ee;fill:#5aa4ee}\
    .s1{stroke:#eb9a48;fill:#eb9a48}.s2{stroke:#82c463;fill:#82c463}.line{fill:none}}";

/// Where text is anchored.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Drawing {
    pub(super) fn new(title: &str) -> Self {
        let mut drawing = Self { body: format!("<title>{}</title>\n", escaped(title)) };
        drawing.text([WIDTH / 2.0, 18.0], Anchor::Middle, title);
        drawing
    }

    pub(super) fn text(&mut self, [x, y]: [f64; 2], anchor: Anchor, text: impl Display) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = escaped(&text.to_string());
        self.put(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A line through all points.
    pub(super) fn line(&mut self, class: &str, points: &[[f64; 2]]) {
        let points: Vec<_> = points.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
        self.put(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", points.join(" ")));
    }

    pub(super) fn dot(&mut self, class: &str, [x, y]: [f64; 2]) {
        self.put(format_args!("<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.5\"/>"));
    }

    pub(super) fn bar(&mut self, class: &str, [x, y]: [f64; 2], [width, height]: [f64; 2]) {
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        ));
    }

    /// Names and colours of the series, in a row.
    pub(super) fn legend(&mut self, names: &[&str]) {
        for (index, name) in names.iter().enumerate() {
            let x = 70.0 + 110.0 * index as f64;
            self.bar(&format!("s{index}"), [x, 30.0], [12.0, 12.0]);
            self.text([x + 18.0, 41.0], Anchor::Start, name);
        }
    }

    pub(super) fn finish(self) -> String {
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
             <style>{STYLE}</style>\n{}</svg>\n",
            self.body
        )
    }

    fn put(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }
}

/// From values to places on the paper.
#[derive(Clone, Copy)]
pub(super) struct Scale {
    values: [f64; 2],
    places: [f64; 2],
    logarithmic: bool,
}

impl Scale {
    pub(super) const fn linear(values: [f64; 2], places: [f64; 2]) -> Self {
        Self { values, places, logarithmic: false }
    }

    /// For values above 0.
    pub(super) const fn logarithmic(values: [f64; 2], places: [f64; 2]) -> Self {
        Self { values, places, logarithmic: true }
    }

    pub(super) fn place(&self, value: f64) -> f64 {
        let along = |value: f64| if self.logarithmic { value.ln() } else { value };
        let [from, to] = self.values.map(along);
        let part = if to > from { (along(value) - from) / (to - from) } else { 0.0 };
        self.places[0] + part * (self.places[1] - self.places[0])
    }

    /// Round values, some five of them, or all powers of ten.
    pub(super) fn ticks(&self) -> Vec<f64> {
        let [from, to] = self.values;
        if self.logarithmic {
            let (first, last) = (from.log10().ceil() as i32, to.log10().floor() as i32);
            return (first..=last).map(|power| 10f64.powi(power)).collect();
        }
        let rough = (to - from) / 5.0;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(rough);
        let count = ((to - from) / step + 1e-9).floor();
        (0..=count as u32).map(|at| from + f64::from(at) * step).collect()
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_ticks() {
        let linear = Scale::linear([0.0, 20_000.0], [0.0, 100.0]);
        assert_eq!(linear.ticks(), [0.0, 5000.0, 10_000.0, 15_000.0, 20_000.0]);
        assert!((linear.place(5000.0) - 25.0).abs() < 1e-9);
        let logarithmic = Scale::logarithmic([10.0, 1000.0], [100.0, 0.0]);
        assert_eq!(logarithmic.ticks(), [10.0, 100.0, 1000.0]);
        assert!((logarithmic.place(100.0) - 50.0).abs() < 1e-9);
    }

    #[test]
    fn text_is_escaped() {
        let mut drawing = Drawing::new("a");
        drawing.text([0.0, 0.0], Anchor::End, "<&>");
        assert!(drawing.finish().contains(">&lt;&amp;&gt;</text>"));
    }
}
