/** BPE merges from SentencePiece scores: tokenizer.json asks for pairs by rank, tokenizer.model keeps only each piece's score. */

export interface ScoredPiece {
  readonly text: string;
  readonly id: number;
  /** Infinity for user-defined pieces, which are matched before anything is merged. */
  readonly score: number;
}

/**
 * Every pair of pieces that makes a third, best score first. Where a piece can be made in several ways, they follow each
 * other by the ids of their parts, so that merging by rank picks the pieces that merging by score picks.
 */
export function mergesFromScores(pieces: readonly ScoredPiece[]): readonly (readonly [string, string])[] {
  const byText = new Map(pieces.map((piece) => [piece.text, piece]));
  const merges: { readonly left: ScoredPiece; readonly right: ScoredPiece; readonly whole: ScoredPiece }[] =
    [];
  for (const whole of pieces) {
    // cut between code points only
    for (let cut = 1; cut < whole.text.length; cut++) {
      const code = whole.text.charCodeAt(cut);
      if (code >= 0xdc00 && code <= 0xdfff) continue;
      const left = byText.get(whole.text.slice(0, cut));
      const right = byText.get(whole.text.slice(cut));
      if (left !== undefined && right !== undefined) merges.push({ left, right, whole });
    }
  }
  merges.sort(
    (a, b) =>
      Number(b.whole.score > a.whole.score) - Number(b.whole.score < a.whole.score) ||
      a.whole.id - b.whole.id ||
      a.left.id - b.left.id ||
      a.right.id - b.right.id,
  );
  return merges.map(({ left, right }) => [left.text, right.text]);
}
