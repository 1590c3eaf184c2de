/**
 * BPE merges from SentencePiece scores: tokenizer.json needs pairs by rank, but tokenizer.model has only a score for each
 * piece.
 */

export interface ScoredPiece {
  readonly text: string;
  readonly id: number;
  /** Infinity for user-defined pieces, which are matched before anything is merged. */
  readonly score: number;
}

/**
 * Every pair of pieces that makes a third, best score first. The pairs that make the same piece are sorted by the ids of
 * their parts, so that merging by rank picks the pieces that merging by score picks.
 */
export function mergesFromScores(pieces: readonly ScoredPiece[]): readonly (readonly [string, string])[] {
  const byText = new Map<string, ScoredPiece>();
  for (const piece of pieces) byText.set(piece.text, piece);
  const best = [...pieces].sort(
    (a, b) => Number(b.score > a.score) - Number(b.score < a.score) || a.id - b.id,
  );
  const merges: (readonly [string, string])[] = [];
  for (const { text } of best) {
    const pairs = pairsMaking(text, byText);
    if (pairs.length > 1) pairs.sort((a, b) => a.left.id - b.left.id || a.right.id - b.right.id);
    for (const { left, right } of pairs) merges.push([left.text, right.text]);
  }
  return merges;
}

interface Pair {
  readonly left: ScoredPiece;
  readonly right: ScoredPiece;
}

function pairsMaking(text: string, byText: ReadonlyMap<string, ScoredPiece>): Pair[] {
  const pairs: Pair[] = [];
  for (let cut = 1; cut < text.length; cut++) {
    // cut between code points only
    const code = text.charCodeAt(cut);
    if (code >= 0xdc00 && code <= 0xdfff) continue;
    const left = byText.get(text.slice(0, cut));
    if (left === undefined) continue;
    const right = byText.get(text.slice(cut));
    if (right !== undefined) pairs.push({ left, right });
  }
  return pairs;
}
