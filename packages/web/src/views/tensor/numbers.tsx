import type { ComponentProps, JSX } from "preact";
import { strings } from "../../strings.ts";
import { Table } from "../../ui/table.tsx";

/** The numbers of a picture, for those who want to read them. */
export function Numbers(props: ComponentProps<typeof Table>): JSX.Element {
  return (
    <details class="numbers">
      <summary>
        {strings.tensor.table}: {props.caption}
      </summary>
      <Table {...props} />
    </details>
  );
}
