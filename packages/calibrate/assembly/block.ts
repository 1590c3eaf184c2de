/** Blocks of packed panels into any place of out, edges included. */
import { LEFT, multiplyPanels, RIGHT } from "./multiply";

/**
 * out[rows, columns] = (`adds` ? out : 0) + left × rightᵀ.
 * @param edge 128 bytes of scratch
 */
export function multiplyBlock(
  left: usize,
  right: usize,
  steps: i32,
  rows: i32,
  columns: i32,
  out: usize,
  stride: usize,
  adds: bool,
  edge: usize,
): void {
  const leftStep = 4 * LEFT * <usize>steps;
  const rightStep = 4 * RIGHT * <usize>steps;
  for (let column = 0; column < columns; column += RIGHT, right += rightStep) {
    let panel = left;
    let place = out + 4 * <usize>column;
    for (let row = 0; row < rows; row += LEFT, panel += leftStep, place += <usize>LEFT * stride) {
      if (column + RIGHT <= columns && row + LEFT <= rows) {
        multiplyPanels(panel, right, steps, place, stride, adds);
      } else {
        multiplyPanels(panel, right, steps, edge, 4 * RIGHT, false);
        copyEdge(edge, min(rows - row, LEFT), min(columns - column, RIGHT), place, stride, adds);
      }
    }
  }
}

function copyEdge(edge: usize, rows: i32, columns: i32, out: usize, stride: usize, adds: bool): void {
  for (let row = 0; row < rows; row++, edge += 4 * RIGHT, out += stride) {
    for (let column: usize = 0; column < 4 * <usize>columns; column += 4) {
      const value = load<f32>(edge + column);
      store<f32>(out + column, adds ? load<f32>(out + column) + value : value);
    }
  }
}
