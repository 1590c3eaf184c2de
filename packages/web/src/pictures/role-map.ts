/** Bits per weight of a model by layer and role. */
import { elementCount } from "@requant/core";
import type { OpenedModel } from "../host/methods/open.ts";
import { placeOf, roleOrder } from "./roles.ts";

type Tensor = OpenedModel["tensors"][number];

/** The tensors of one layer and role, or of several. */
export interface MapCell {
  readonly tensors: readonly Tensor[];
  readonly parameterCount: number;
  readonly byteLength: number;
}

export interface MapRow {
  /** Undefined: what stands outside of layers. */
  readonly layer: number | undefined;
  readonly cells: readonly (MapCell | undefined)[];
  readonly total: MapCell;
}

export interface RoleMap {
  readonly roles: readonly string[];
  readonly rows: readonly MapRow[];
  readonly totals: readonly MapCell[];
  /** Layers that are not shown. */
  readonly hiddenLayers: number;
}

const MOST_LAYERS = 256;
const MOST_ROLES = 32;
const OTHER = "other";

export function bitsOf({ byteLength, parameterCount }: MapCell): number {
  return parameterCount === 0 ? 0 : (byteLength * 8) / parameterCount;
}

/** A file can name any number of layers and roles: the rarest roles become one, and only the first layers are shown. */
export function roleMap(tensors: readonly Tensor[]): RoleMap {
  const placed = tensors
    // a scale of another weight is no weight
    .filter(({ partOf }) => partOf === undefined)
    .map((tensor) => ({ tensor, ...placeOf(tensor.name) }));
  const roles = shownRoles(placed.map(({ role }) => role));
  const known = new Set(roles);
  const byLayer = new Map<number | undefined, Map<string, Tensor[]>>();
  const byRole = new Map<string, Tensor[]>();
  for (const { tensor, layer, role } of placed) {
    const shown = known.has(role) ? role : OTHER;
    const row = byLayer.get(layer) ?? new Map<string, Tensor[]>();
    byLayer.set(layer, row);
    add(row, shown, tensor);
    add(byRole, shown, tensor);
  }
  const last = Number.POSITIVE_INFINITY;
  // a list is never sorted by undefined: what stands outside of layers comes last, and is always shown
  const layers = [...byLayer.keys()].map((layer) => layer ?? last).sort((a, b) => (a < b ? -1 : 1));
  const hiddenLayers = Math.max(0, layers.length - MOST_LAYERS);
  if (hiddenLayers > 0) layers.splice(MOST_LAYERS - 1, hiddenLayers);
  const rows = layers.map((number): MapRow => {
    const layer = number === last ? undefined : number;
    const row = byLayer.get(layer) ?? new Map<string, Tensor[]>();
    return {
      layer,
      cells: roles.map((role) => {
        const members = row.get(role);
        return members === undefined ? undefined : cellOf(members);
      }),
      total: cellOf([...row.values()].flat()),
    };
  });
  const totals = roles.map((role) => cellOf(byRole.get(role) ?? []));
  return { roles, rows, totals, hiddenLayers };
}

function add(lists: Map<string, Tensor[]>, key: string, tensor: Tensor): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [tensor]);
  else list.push(tensor);
}

function cellOf(tensors: readonly Tensor[]): MapCell {
  let [parameterCount, byteLength] = [0, 0];
  for (const tensor of tensors) {
    parameterCount += elementCount(tensor.shape);
    byteLength += tensor.byteLength;
  }
  return { tensors, parameterCount, byteLength };
}

/** Known roles in their order, then the others by name. */
function shownRoles(found: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const role of found) counts.set(role, (counts.get(role) ?? 0) + 1);
  const orders = new Map(roleOrder.map((role, index) => [role, index]));
  const order = (role: string): number => orders.get(role) ?? roleOrder.length;
  const all = [...counts.keys()];
  const rare = (role: string): number => -(counts.get(role) ?? 0);
  const shown =
    all.length <= MOST_ROLES
      ? all
      : all.sort((a, b) => order(a) - order(b) || rare(a) - rare(b)).slice(0, MOST_ROLES - 1);
  shown.sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1));
  return all.length <= MOST_ROLES ? shown : [...shown, OTHER];
}
