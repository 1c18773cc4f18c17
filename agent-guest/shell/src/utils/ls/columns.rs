//! Names in as many columns as fit a terminal.

/// Cells between columns.
const GAP: usize = 2;

/// Lays out texts with their widths, downwards or `across`.
pub(super) fn lay_out(cells: &[(String, usize)], width: usize, across: bool) -> String {
    let most = cells.len().min(width / (1 + GAP)).max(1);
    let (rows, widths) = (1..=most)
        .rev()
        .map(|columns| fit(cells, columns, across))
        .find(|(_, widths)| widths.iter().sum::<usize>() + GAP * (widths.len() - 1) <= width)
        .unwrap_or_else(|| fit(cells, 1, across));
    let columns = widths.len();
    let mut text = String::new();
    for row in 0..rows {
        let mut padding = 0;
        for (column, width) in widths.iter().enumerate() {
            let index = if across { row * columns + column } else { column * rows + row };
            let Some((name, taken)) = cells.get(index) else { continue };
            text.push_str(&" ".repeat(padding));
            text.push_str(name);
            padding = width - taken + GAP;
        }
        text.push('\n');
    }
    text
}

/// Rows, and the width of each column that is used.
fn fit(cells: &[(String, usize)], columns: usize, across: bool) -> (usize, Vec<usize>) {
    let rows = cells.len().div_ceil(columns);
    let used = if across { columns } else { cells.len().div_ceil(rows) };
    let mut widths = vec![0; used];
    for (index, (_, width)) in cells.iter().enumerate() {
        let column = if across { index % columns } else { index / rows };
        widths[column] = widths[column].max(*width);
    }
    (rows, widths)
}

/// Joins texts with commas, in lines of at most `width` cells.
pub(super) fn join(cells: &[(String, usize)], width: usize) -> String {
    let mut text = String::new();
    let mut column = 0;
    for (index, (name, taken)) in cells.iter().enumerate() {
        let comma = usize::from(index + 1 < cells.len());
        if column > 0 && column + 1 + taken + comma > width {
            text.push('\n');
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(name);
        text.push_str(&",".repeat(comma));
        column += taken + comma;
    }
    text.push('\n');
    text
}
