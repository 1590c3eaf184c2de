/**
 * Positions as sines and cosines of waves whose lengths grow from 2π to 10,000 × 2π, as Whisper's relatives compute them in f32
 * (llama.cpp, conversion/qwenvl.py, `generate_extra_tensors`). Each step gives the nearest f32; torch's sines, cosines and powers
 * depend on the processor, and can be one unit in the last place away from it.
 */
const LONGEST = 10_000;

const f32 = Math.fround;

/** The row of a position. */
export function positionWaves(width: number): (position: number) => Float32Array {
  const half = Math.floor(width / 2);
  const step = f32(-Math.log(LONGEST) / (half - 1));
  const frequencies = Float32Array.from({ length: half }, (_, wave) => Math.exp(f32(step * wave)));
  return (position) => {
    const row = new Float32Array(width);
    for (let wave = 0; wave < half; wave++) {
      const angle = f32(position * frequencies[wave]!);
      row[wave] = Math.sin(angle);
      row[half + wave] = Math.cos(angle);
    }
    return row;
  };
}
