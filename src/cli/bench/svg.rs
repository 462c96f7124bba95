//! Draws a run: throughput and latency over time, as SVG by hand.

use std::fmt::Write;

use super::axis::{Axis, short};
use super::plan;
use super::report::{Latency, PhaseReport, Report};
use super::table::{grouped, grouped_f64};

const WIDTH: f64 = 1080.0;
const HEIGHT: f64 = 776.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 850.0;
const COMMAND_LINE_CHARS: usize = 140;
const COMMAND_LINES_MAX: usize = 3;

const STYLE: &str = "text{font-family:system-ui,'Segoe UI','Helvetica Neue',Arial,sans-serif;\
    font-size:13px;fill:#334155}.title{font-size:21px;font-weight:600;fill:#0f172a}\
    .sub{fill:#64748b}.head{font-size:15px;font-weight:600;fill:#0f172a}.tick{font-size:12px;fill:#64748b}\
    .key{font-weight:600}.note{font-family:ui-monospace,Menlo,'DejaVu Sans Mono',monospace;font-size:11px;\
    fill:#64748b}.grid{stroke:#e2e8f0;stroke-width:1}.axis{stroke:#94a3b8;stroke-width:1.2}\
    .line{fill:none;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}";

const MAIN_COLOUR: &str = "#1d4ed8";
const ECHO_COLOUR: &str = "#94a3b8";
const OTHER_COLOURS: [&str; 3] = ["#d97706", "#0f766e", "#9333ea"];
const PERCENTILE_COLOURS: [&str; 4] = ["#0f766e", "#1d4ed8", "#d97706", "#be123c"];

/// One line of a chart.
struct Line {
    name: String,
    /// Under the name in the legend.
    note: String,
    colour: &'static str,
    dashed: bool,
    /// One a second; zero where there is none.
    values: Vec<f64>,
}

/// A percentile's name, and where it stands.
type Percentile = (&'static str, fn(&Latency) -> f64);

/// Where a chart is, what it is about, and its axes.
struct Chart {
    top: f64,
    bottom: f64,
    title: &'static str,
    unit: &'static str,
    time: Axis,
    value: Axis,
}

/// Draws `report` as a whole document.
pub(super) fn draw(report: &Report) -> String {
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" \
         aria-label=\"Throughput and latency over time\">\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#ffffff\"/>\n"
    );
    headings(&mut svg, report);
    let Some(typical) = report.typical() else {
        return svg + "</svg>\n";
    };
    let seconds = typical.series.len().max(1) as f64;
    let time = Axis::seconds(seconds, 12);
    let throughput = throughput_lines(report, typical);
    let most = largest(&throughput);
    let chart = Chart {
        top: 134.0,
        bottom: 364.0,
        title: "Throughput",
        unit: typical.unit(),
        time: time.clone(),
        value: Axis::linear(most * 1.05, 5),
    };
    chart.draw(&mut svg, &throughput);
    let latency = latency_lines(typical);
    let least = latency.iter().flat_map(|line| &line.values).copied();
    let least = least
        .filter(|value| *value > 0.0)
        .fold(f64::INFINITY, f64::min);
    let (least, most) = if least.is_finite() {
        (least, largest(&latency))
    } else {
        (1.0, 10.0)
    };
    let chart = Chart {
        top: 450.0,
        bottom: 680.0,
        title: "Latency",
        unit: "milliseconds, logarithmic",
        time,
        value: Axis::logarithmic(least, most),
    };
    chart.draw(&mut svg, &latency);
    for (number, line) in wrapped(&report.command).iter().enumerate() {
        text(&mut svg, (LEFT, 738.0 + 15.0 * number as f64), "note", line);
    }
    svg + "</svg>\n"
}

fn headings(svg: &mut String, report: &Report) {
    let rate = report.typical().map_or(0.0, PhaseReport::rate);
    let title = format!(
        "cardwright bench: {}, {} per second",
        report.main,
        grouped_f64(rate)
    );
    text(svg, (LEFT, 40.0), "title", &title);
    let machine = &report.machine;
    let system = machine
        .file_system
        .as_ref()
        .map_or("unknown", |system| system.kind.as_str());
    let facts = format!(
        "{} connections, {} cards, {} cores shared with the client, {}, Linux {}, data on {system}",
        report.connections,
        grouped(report.setup.cards as u64),
        machine.cores,
        machine.processor,
        machine.kernel,
    );
    text(svg, (LEFT, 64.0), "sub", &facts);
    let ratios = report
        .ratios
        .iter()
        .map(|ratio| format!("{} / {} = {:.2}", ratio.over, ratio.under, ratio.median));
    text(
        svg,
        (LEFT, 84.0),
        "sub",
        &ratios.collect::<Vec<_>>().join(" \u{b7} "),
    );
}

/// The main load, and what else its round measured.
fn throughput_lines(report: &Report, typical: &PhaseReport) -> Vec<Line> {
    let mut lines = vec![throughput_line(typical, MAIN_COLOUR)];
    let mut colours = OTHER_COLOURS.iter().copied().cycle();
    let sample = usize::from(report.echo_bytes.is_some());
    for phase in report
        .phases
        .iter()
        .skip(sample)
        .filter(|phase| phase.round == typical.round)
    {
        if lines.iter().any(|line| line.name == phase.name) {
            continue;
        }
        let echo = phase.name == plan::ECHO;
        let colour = if echo {
            ECHO_COLOUR
        } else {
            colours.next().unwrap_or(MAIN_COLOUR)
        };
        lines.push(throughput_line(phase, colour));
    }
    lines
}

fn throughput_line(phase: &PhaseReport, colour: &'static str) -> Line {
    let requests = if phase.transactions_per_second.is_some() {
        2.0
    } else {
        1.0
    };
    Line {
        name: phase.name.clone(),
        note: format!("mean {}/s", grouped_f64(phase.rate())),
        colour,
        dashed: phase.name == plan::ECHO,
        values: phase
            .series
            .iter()
            .map(|second| second.per_second / requests)
            .collect(),
    }
}

fn latency_lines(phase: &PhaseReport) -> Vec<Line> {
    let percentiles: [Percentile; 4] = [
        ("p50", |latency| latency.p50_ms),
        ("p90", |latency| latency.p90_ms),
        ("p99", |latency| latency.p99_ms),
        ("p99.9", |latency| latency.p999_ms),
    ];
    let line = |((name, of), colour): (Percentile, &'static str)| Line {
        name: name.to_owned(),
        note: format!("overall {:.2} ms", of(&phase.latency)),
        colour,
        dashed: false,
        values: phase
            .series
            .iter()
            .map(|second| of(&second.latency))
            .collect(),
    };
    // Worst first, as the lines lie on the chart.
    percentiles
        .into_iter()
        .zip(PERCENTILE_COLOURS)
        .rev()
        .map(line)
        .collect()
}

impl Chart {
    fn draw(&self, svg: &mut String, lines: &[Line]) {
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{}\"><tspan class=\"head\">{}</tspan>\
             <tspan class=\"sub\" dx=\"10\">{}</tspan></text>",
            self.top - 14.0,
            self.title,
            self.unit
        );
        for tick in &self.value.ticks {
            let y = self.y(tick.value);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>\
                 <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 9.0,
                y + 4.0,
                escaped(&tick.label)
            );
        }
        for tick in &self.time.ticks {
            let x = self.x(tick.value);
            let _ = writeln!(
                svg,
                "<path class=\"axis\" d=\"M{x:.1} {}v5\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
                self.bottom,
                self.bottom + 19.0,
                escaped(&tick.label)
            );
        }
        let _ = writeln!(
            svg,
            "<path class=\"axis\" d=\"M{LEFT} {}H{RIGHT}\"/>",
            self.bottom
        );
        let _ = writeln!(
            svg,
            "<text class=\"tick\" x=\"{RIGHT}\" y=\"{}\" text-anchor=\"end\">seconds</text>",
            self.bottom + 36.0
        );
        for (place, line) in lines.iter().enumerate().rev() {
            self.draw_line(svg, line);
            self.draw_legend(svg, line, place);
        }
    }

    fn draw_line(&self, svg: &mut String, line: &Line) {
        let dash = if line.dashed {
            " stroke-dasharray=\"6 5\""
        } else {
            ""
        };
        let colour = line.colour;
        let mut path = String::new();
        let mut pen_down = false;
        let few = line.values.len() <= 60;
        for (second, value) in line.values.iter().enumerate() {
            if *value <= 0.0 {
                pen_down = false;
                continue;
            }
            let (x, y) = (self.x(second as f64 + 0.5), self.y(*value));
            let _ = write!(path, "{}{x:.1} {y:.1}", if pen_down { 'L' } else { 'M' });
            pen_down = true;
            if few {
                let _ = writeln!(
                    svg,
                    "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\">\
                     <title>{}: {} in second {}</title></circle>",
                    escaped(&line.name),
                    short(*value),
                    second + 1
                );
            }
        }
        if !path.is_empty() {
            let _ = writeln!(
                svg,
                "<path class=\"line\" stroke=\"{colour}\"{dash} d=\"{path}\"/>"
            );
        }
    }

    fn draw_legend(&self, svg: &mut String, line: &Line, place: usize) {
        let x = RIGHT + 22.0;
        let y = self.top + 10.0 + 44.0 * place as f64;
        let dash = if line.dashed {
            " stroke-dasharray=\"6 5\""
        } else {
            ""
        };
        let _ = writeln!(
            svg,
            "<path class=\"line\" stroke=\"{}\"{dash} d=\"M{x} {:.1}h22\"/>",
            line.colour,
            y - 4.0
        );
        text(svg, (x + 30.0, y), "key", &line.name);
        text(svg, (x + 30.0, y + 17.0), "sub", &line.note);
    }

    fn x(&self, second: f64) -> f64 {
        LEFT + self.time.position(second) * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom - self.value.position(value) * (self.bottom - self.top)
    }
}

/// The command over a few lines, broken at spaces.
fn wrapped(command: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in command.split(' ') {
        let full = |line: &String| line.len() + 1 + word.len() > COMMAND_LINE_CHARS;
        if lines
            .last()
            .is_some_and(|line| !line.is_empty() && full(line))
        {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines.truncate(COMMAND_LINES_MAX);
    lines
}

fn largest(lines: &[Line]) -> f64 {
    lines
        .iter()
        .flat_map(|line| &line.values)
        .copied()
        .fold(0.0, f64::max)
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, content: &str) {
    if !content.is_empty() {
        let content = escaped(content);
        let _ = writeln!(
            svg,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{content}</text>"
        );
    }
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 has no place for these.
            character if character.is_control() => escaped.push(' '),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_wrapped() {
        assert_eq!(wrapped("a b"), ["a b"]);
        let words = vec!["12345678"; 100].join(" ");
        let lines = wrapped(&words);
        assert_eq!(lines.len(), COMMAND_LINES_MAX);
        assert!(
            lines
                .iter()
                .all(|line| line.len() <= COMMAND_LINE_CHARS && line.len() > 120)
        );
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\"\u{1}"), "a&lt;b&gt;&amp;&quot;c&quot; ");
    }
}
