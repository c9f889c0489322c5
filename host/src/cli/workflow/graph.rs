//! A graph of steps as lines and points: a line a step, in the order in which they can run; what waits for what is connected.
//!
//! Columns are used again as soon as nothing waits for what is in them, so a graph is as wide as what runs side by side.

use std::collections::BTreeSet;

/// One step.
pub(super) struct Point {
    /// What stands behind it.
    pub label: String,
    /// Those that it waits for, by their places in the list; all before it.
    pub needs: Vec<usize>,
}

/// Draws the points, in the order of the list.
pub(super) fn draw(points: &[Point]) -> String {
    let mut left: Vec<usize> =
        (0..points.len()).map(|at| points.iter().filter(|later| later.needs.contains(&at)).count()).collect();
    // What is in each column: the point whose line goes on in it.
    let mut columns: Vec<Option<usize>> = Vec::new();
    let mut lines: Vec<(String, &str)> = Vec::new();
    for (at, point) in points.iter().enumerate() {
        let before = columns.clone();
        let from: BTreeSet<usize> = (0..before.len())
            .filter(|column| before[*column].is_some_and(|of| point.needs.contains(&of)))
            .collect();
        for need in &point.needs {
            if let Some(left) = left.get_mut(*need) {
                *left = left.saturating_sub(1);
            }
        }
        for column in &from {
            let over = columns[*column].and_then(|of| left.get(of)).is_none_or(|left| *left == 0);
            if over {
                columns[*column] = None;
            }
        }
        let own = from.iter().copied().find(|column| columns[*column].is_none());
        let own = own.or_else(|| columns.iter().position(Option::is_none)).unwrap_or(columns.len());
        if own == columns.len() {
            columns.push(None);
        }
        columns[own] = Some(at);
        if !(from.is_empty() || from.len() == 1 && from.contains(&own)) {
            lines.push((joined(&before, &columns, &from, own), ""));
        }
        let row = columns.iter().enumerate().map(|(column, of)| match of {
            _ if column == own => "● ",
            Some(_) => "│ ",
            None => "  ",
        });
        lines.push((row.collect(), &point.label));
        if left.get(at) == Some(&0) {
            columns[own] = None;
        }
    }
    let width = lines.iter().map(|(row, _)| row.chars().count()).max().unwrap_or(0);
    let lines = lines.iter().map(|(row, label)| format!("{row:width$}{label}").trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// The line between two points: from the columns of what is needed to the column of what needs it.
fn joined(before: &[Option<usize>], after: &[Option<usize>], from: &BTreeSet<usize>, own: usize) -> String {
    let ends = || from.iter().copied().chain([own]);
    let (first, last) = (ends().min().unwrap_or(own), ends().max().unwrap_or(own));
    let mut row = String::new();
    for (column, below) in after.iter().map(Option::is_some).enumerate() {
        let above = before.get(column).is_some_and(Option::is_some);
        let across = (first..=last).contains(&column);
        // A line that is only crossed stays whole.
        let crossed = across && !from.contains(&column) && column != own;
        row.push(match (above, below, across && column > first, across && column < last) {
            (true, true, ..) if crossed => '│',
            (_, _, true, true) if crossed => '─',
            (true, true, false, false) => '│',
            (true, true, true, true) => '┼',
            (true, true, true, false) => '┤',
            (true, true, false, true) => '├',
            (true, false, true, true) => '┴',
            (true, false, true, false) => '╯',
            (true, false, false, true) => '╰',
            (false, true, true, true) => '┬',
            (false, true, true, false) => '╮',
            (false, true, false, true) => '╭',
            _ => ' ',
        });
        row.push(if across && column < last { '─' } else { ' ' });
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn drawn(points: &[(&str, &[usize])], want: &[&str]) {
        let points: Vec<Point> = points
            .iter()
            .map(|(label, needs)| Point { label: (*label).to_owned(), needs: needs.to_vec() })
            .collect();
        let graph = draw(&points);
        assert_eq!(graph.lines().collect::<Vec<_>>(), want, "\n{graph}");
    }

    #[test]
    fn a_row_of_steps_is_one_line() {
        drawn(&[("plan", &[]), ("code", &[0]), ("review", &[1])], &["● plan", "● code", "● review"]);
    }

    #[test]
    fn what_runs_side_by_side_branches_and_comes_together() {
        drawn(
            &[("plan", &[]), ("code", &[0]), ("tests", &[0]), ("review", &[1, 2])],
            &["●   plan", "├─╮", "│ ● code", "● │ tests", "├─╯", "●   review"],
        );
    }

    #[test]
    fn a_line_that_is_crossed_stays_whole() {
        drawn(
            &[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[0, 2]), ("e", &[1])],
            &["●     a", "│ ●   b", "│ │ ● c", "├─│─╯", "● │   d", "  ●   e"],
        );
    }

    #[test]
    fn what_nothing_waits_for_gives_its_column_back() {
        drawn(
            &[("a", &[]), ("b", &[]), ("c", &[0]), ("d", &[1, 2])],
            &["●   a", "│ ● b", "● │ c", "├─╯", "●   d"],
        );
        drawn(&[("a", &[]), ("b", &[]), ("c", &[])], &["● a", "● b", "● c"]);
    }
}
