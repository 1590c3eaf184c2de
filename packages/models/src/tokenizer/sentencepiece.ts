/**
 * SentencePiece's tokenizer.model: a protobuf of which a handful of fields matter (google/sentencepiece,
 * sentencepiece_model.proto). The reader goes through the bytes once, and checks every length against the rest of the
 * bytes.
 */
import { FormatError } from "@requant/core";

export const pieceTypes = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Piece {
  readonly text: string;
  /** f32. */
  readonly score: number;
  readonly type: number;
}

export interface SentencePieceModel {
  readonly pieces: readonly Piece[];
  /** 1 unigram, 2 BPE, 3 word, 4 char. */
  readonly modelType: number;
  readonly addDummyPrefix: boolean;
  readonly removeExtraWhitespaces: boolean;
  /** Compiled normalization rules; empty for identity. */
  readonly charsmap: Uint8Array;
  readonly unknownId: number;
}

interface Field {
  readonly number: number;
  readonly wire: number;
  /** The value of a varint or fixed32; fields with a length are in `bytes`. */
  readonly number32: number;
  readonly bytes: Uint8Array;
}

const noBytes = new Uint8Array(0);

function* fields(bytes: Uint8Array, path: string): Generator<Field> {
  let offset = 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const varint = (): number => {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = bytes[offset++];
      if (byte === undefined) throw new FormatError(`${path} ends inside a number.`, { path, offset });
      // ten-byte varints are negative int32 values sign-extended; only their low 32 bits mean something here
      if (count < 5) value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) return value;
    }
    throw new FormatError(`${path} holds a number of more than ten bytes.`, { path, offset });
  };
  while (offset < bytes.length) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wire = tag % 8;
    if (number === 0)
      throw new FormatError(`${path} has a field 0, which no protobuf has.`, { path, offset });
    if (wire === 0) yield { number, wire, number32: varint(), bytes: noBytes };
    else if (wire === 2 || wire === 1 || wire === 5) {
      const length = wire === 2 ? varint() : wire === 1 ? 8 : 4;
      if (length > bytes.length - offset) {
        throw new FormatError(
          `Field ${number} of ${path} says ${length} bytes; ${bytes.length - offset} are left.`,
          {
            path,
            offset,
          },
        );
      }
      const number32 = wire === 5 ? view.getFloat32(offset, true) : 0;
      yield { number, wire, number32, bytes: bytes.subarray(offset, offset + length) };
      offset += length;
    } else
      throw new FormatError(`Field ${number} of ${path} has the unknown wire type ${wire}.`, {
        path,
        offset,
      });
  }
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function pieceText(bytes: Uint8Array, path: string): string {
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    throw new FormatError(`${path} has a piece that is not UTF-8.`, { path, cause });
  }
}

const LFS_START = /* @__PURE__ */ new TextEncoder().encode("version ");

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length > start.length && start.every((byte, index) => bytes[index] === byte);
}

/** @throws FormatError when the bytes are not a SentencePiece model. */
export function parseSentencePiece(bytes: Uint8Array, path = "tokenizer.model"): SentencePieceModel {
  const pieces: Piece[] = [];
  let modelType = 1;
  let addDummyPrefix = true;
  let removeExtraWhitespaces = true;
  let charsmap: Uint8Array = noBytes;
  let unknownId = 0;
  if (startsWith(bytes, LFS_START)) {
    throw new FormatError(`${path} is a Git LFS pointer, not the file itself.`, {
      path,
      hint: "Fetch the real file: git lfs pull.",
    });
  }
  for (const field of fields(bytes, path)) {
    if (field.wire !== 2) continue;
    if (field.number === 1) {
      let text = "";
      let score = 0;
      let type: number = pieceTypes.normal;
      for (const inner of fields(field.bytes, path)) {
        if (inner.number === 1 && inner.wire === 2) text = pieceText(inner.bytes, path);
        else if (inner.number === 2 && inner.wire === 5) score = inner.number32;
        else if (inner.number === 3 && inner.wire === 0) type = inner.number32;
      }
      pieces.push({ text, score, type });
    } else if (field.number === 2) {
      for (const inner of fields(field.bytes, path)) {
        if (inner.number === 3 && inner.wire === 0) modelType = inner.number32;
        else if (inner.number === 40 && inner.wire === 0) unknownId = inner.number32;
      }
    } else if (field.number === 3) {
      for (const inner of fields(field.bytes, path)) {
        if (inner.number === 2 && inner.wire === 2) charsmap = inner.bytes;
        else if (inner.number === 3 && inner.wire === 0) addDummyPrefix = inner.number32 !== 0;
        else if (inner.number === 4 && inner.wire === 0) removeExtraWhitespaces = inner.number32 !== 0;
      }
    }
  }
  if (pieces.length === 0)
    throw new FormatError(`${path} holds no pieces, so it is not a SentencePiece model.`, { path });
  return { pieces, modelType, addDummyPrefix, removeExtraWhitespaces, charsmap, unknownId };
}

/** A varint of at most 32 bits has five bytes. */
const VARINT_BYTES = 5;

class ProtoWriter {
  #bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #encoder = new TextEncoder();

  /** Makes room for that many more bytes. */
  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(2 * (this.#length + count));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }

  varint(value: number): void {
    this.#reserve(2 * VARINT_BYTES);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  number(field: number, value: number): void {
    this.varint(field * 8);
    this.varint(value);
  }

  float(field: number, value: number): void {
    this.varint(field * 8 + 5);
    this.#reserve(4);
    this.#view.setFloat32(this.#length, value, true);
    this.#length += 4;
  }

  bytes(field: number, value: Uint8Array): void {
    this.varint(field * 8 + 2);
    this.varint(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  text(field: number, value: string): void {
    this.varint(field * 8 + 2);
    // the length stands before the text and is known after it
    this.#reserve(VARINT_BYTES + 3 * value.length);
    const start = this.#length + VARINT_BYTES;
    const { written } = this.#encoder.encodeInto(value, this.#bytes.subarray(start));
    this.varint(written);
    this.#bytes.copyWithin(this.#length, start, start + written);
    this.#length += written;
  }

  /** The bytes written so far; valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  clear(): void {
    this.#length = 0;
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }
}

export interface SerializedIds {
  readonly unknown: number;
  readonly bos?: number | undefined;
  readonly eos?: number | undefined;
  readonly pad?: number | undefined;
}

/** A tokenizer.model of these pieces. */
export function serializeSentencePiece(
  pieces: readonly Piece[],
  ids: SerializedIds,
  settings: Pick<SentencePieceModel, "modelType" | "addDummyPrefix" | "removeExtraWhitespaces" | "charsmap">,
): Uint8Array {
  const model = new ProtoWriter();
  const piece = new ProtoWriter();
  for (const { text, score, type } of pieces) {
    piece.clear();
    piece.text(1, text);
    piece.float(2, score);
    if (type !== pieceTypes.normal) piece.number(3, type);
    model.bytes(1, piece.written());
  }
  const trainer = new ProtoWriter();
  trainer.number(3, settings.modelType);
  trainer.number(4, pieces.length);
  trainer.number(35, pieces.some(({ type }) => type === pieceTypes.byte) ? 1 : 0);
  const absent = 2 ** 32 - 1;
  // -1, "there is none", as a sign-extended int32
  const id = (field: number, value: number | undefined): void => {
    if (value !== undefined) trainer.number(field, value);
    else trainer.number(field, absent);
  };
  id(40, ids.unknown);
  id(41, ids.bos);
  id(42, ids.eos);
  id(43, ids.pad);
  const piecesOf: readonly (readonly [number, number | undefined])[] = [
    [45, ids.unknown],
    [46, ids.bos],
    [47, ids.eos],
    [48, ids.pad],
  ];
  for (const [field, value] of piecesOf) {
    const text = value === undefined ? undefined : pieces[value]?.text;
    if (text !== undefined) trainer.text(field, text);
  }
  model.bytes(2, trainer.written());
  const normalizer = new ProtoWriter();
  normalizer.text(1, settings.charsmap.length === 0 ? "identity" : "nmt_nfkc");
  if (settings.charsmap.length > 0) normalizer.bytes(2, settings.charsmap);
  normalizer.number(3, settings.addDummyPrefix ? 1 : 0);
  normalizer.number(4, settings.removeExtraWhitespaces ? 1 : 0);
  normalizer.number(5, 1);
  model.bytes(3, normalizer.written());
  return model.finish();
}
