/** What a person does and reads in the views of tensors. */
import type { Locator, Page } from "playwright-core";

export async function openFiles(page: Page, files: readonly string[]): Promise<void> {
  await page.getByLabel("Open files").setInputFiles([...files]);
  await page.getByRole("tab", { name: "Overview" }).waitFor();
}

/** Chooses a tensor in the list of them. */
export async function showTensor(page: Page, name: string): Promise<void> {
  await page.getByRole("tab", { name: "Tensors" }).click();
  await page.getByRole("searchbox").fill(name);
  await page.getByRole("grid", { name: "Tensors" }).getByRole("gridcell", { name, exact: true }).click();
  await page.getByRole("heading", { name }).waitFor();
}

export function region(page: Page, name: string): Locator {
  return page.getByRole("region", { name, exact: true });
}

/** "1,024" and "-2.5e-4" are numbers; a share of "6.25 %" is too. */
export function numberIn(text: string): number {
  return Number(text.replaceAll(",", "").replace(" %", ""));
}

/** Names and values of a list of facts. */
export async function factsIn(place: Locator): Promise<Record<string, number>> {
  await place.waitFor();
  const names = await place.locator("dt").allTextContents();
  const values = await place.locator("dd").allTextContents();
  return Object.fromEntries(names.map((name, index) => [name, numberIn(values[index] ?? "")]));
}

/** The rows of a table, closed or open. */
export async function rowsOf(page: Page, caption: string): Promise<string[][]> {
  const table = page.locator("table").filter({ has: page.locator("caption", { hasText: caption }) });
  await table.first().waitFor({ state: "attached" });
  return table
    .first()
    .evaluate((element) =>
      [...element.querySelectorAll("tbody tr")].map((row) =>
        [...row.querySelectorAll("td")].map((cell) => cell.textContent ?? ""),
      ),
    );
}

export async function columnOf(page: Page, caption: string, column: number): Promise<number[]> {
  return (await rowsOf(page, caption)).map((row) => numberIn(row[column] ?? ""));
}
