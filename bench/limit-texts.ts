/** What keeps each figure from being better: texts of the page, written by hand after looking at profiles. */

export type GoalName =
  | "q8_0"
  | "q4_0"
  | "q4_k_m"
  | "hf"
  | "importance"
  | "packed"
  | "linear"
  | "twins"
  | "verify"
  | "edits"
  | "rounding"
  | "header"
  | "browser"
  | "growth"
  | "memory";

export const limitTexts: Readonly<Record<GoalName, string>> = {
  q8_0: 'A profile of a conversion of 2.1 s (perf, 2026-12-01, a quiet machine) shares its processor time so: kernels in WebAssembly 32 % (11 quantizing, 7 decoding F16, 5 decoding the new codes, 5 comparing, 4 checksums); other compiled code 6 %; the system, which copies 0.98 GB in, 0.52 GB out and 0.52 GB in again, 30 %; the engine itself, which starts, parses, compiles, interprets and collects memory, 32 %, a third of that in its own threads. A tiny model took 0.25 s, and takes 0.2 s since the engine has its own settings while the command is loaded. Without all that the engine does, the ratio would be about 3.5. A second thread costs 0.3 s of processor time and saves 0.25 s of waiting. The row "read and write" is what moving the bytes once takes by itself, and the row with `--no-verify` shows what reading the output again costs.',
  q4_0: "As for Q8_0. Without `--pure` the output tensor is Q6_K, whose search for scales is about a quarter of the time; with `--pure` the kernels' share is smaller than that of the system, the start and JavaScript together.",
  q4_k_m:
    "Here the search for scales is most of the time, on both sides. The ratio of the kernels alone, in the table of kernels below, is the limit: whole conversions come near it where the model is large enough that the start does not count.",
  hf: "llama.cpp writes the whole model as a GGUF file first, and reads it again; requant does not. The converter also pays for the start of Python and torch, which a larger model pays once, too. Its figure was measured once, while the machine was busy: with a quarter less of it, the ratio would be 5.8. Beyond that the limit is that of Q4_K_M.",
  importance:
    "The searches through the points of the codebooks are nearly all of the time, so the ratio of the kernels is the limit. llama.cpp builds its tables of neighbours at the start of each process, with one thread; the model is small, so that counts in its time.",
  packed:
    "No number is computed, so the bytes are the limit: a copy may stay inside the system, while a conversion must read, move codes to other places, and write. The start of Node is in both; the start of the command and its worker, and the examination of the scales, are about half of the time for a model of this size. The kernel alone moves codes at a fifth to a third of the speed of a copy: see the next paragraph.",
  linear:
    '"copy" moves each byte once with the widest instructions of the machine. The kernels move codes between words of columns or rows and blocks of rows, 128 bits at a time, and write blocks whose length is no power of two. In cache they move 5 to 8 GB/s (GPTQ) and 3 to 4 GB/s (AWQ; both measured on 2026-12-01). Beyond it, words of one column and blocks of one row lie pages apart: the same code for AWQ took 18 or 35 ms in different processes, as their memory happened to lie. Runs of 64 to 2048 rows were tried: those that are used are the fastest.',
  twins: "Kernels that are named here have no twin in WebAssembly yet.",
  verify: `The two F16 models are the same: rows with the same stored bytes are decoded once, and looked at for values that are not finite. Where values differ, sums are taken of each weight and of each difference, in doubles, so that twelve digits of an error are right: that is 0.3 s of the time for Q8_0, as many additions and multiplications of two doubles as the processor can do. Decoding takes 0.2 s; the row "read" is the reading alone, and the start of the command takes a fifth of a second. \`hash --values\` cannot be faster than SHA-256 of the f32 values: the row "SHA-256" is Node's own, in native code. It hashes the file as well, half as many bytes again.`,
  edits:
    'Node can ask the system for a copy of a whole file only ("copy"); the bytes of files that are split or merged, or that move behind a longer header, go through the program. That alone ("read and write") takes no longer here than the copy. On top of it requant starts, computes a checksum of what it writes, brings it to the disk before it gives it its name, and after `split` and `merge` reads it again. The medians vary with the memory that the host of this virtual machine gives: merging took 2.0 s in one run of the benchmark and 10.9 s in the next, nearly all of it in the system.',
  rounding:
    "Both are searches in kernels: EXL2 tries scales for each row of a group, and converts a sample with each recipe before it chooses one; GPTQ with mse tries 66 scales for each group of columns. GPTQ without the search is in the table for comparison.",
  header: `"bytes only" is the time for reading the bytes; 10 MB of memory that was not used before take 4 to 6 ms of it on this machine, whatever is written there. The rest is the check of each string's length, and code that the engine has not compiled yet: later openings in the same process are faster. Reading in pieces, each looked at before the next is read, took longer.`,
  browser:
    "The same kernels run in both, so the ratio is best where their time is most. The page reads a chosen file through the browser's own process, slice by slice: a page that only reads this file so, in two workers, takes one second and 1.9 s of processor time (measured on 2026-12-01 with slices of 4 MB; smaller ones cost more), as long as the command takes for the whole of Q8_0. The rest is writing, messages between workers, and code that a page compiles anew each time. The SHA-256 of the output is computed when the output is there already, in WebAssembly: browsers hash by themselves only what is in memory as a whole.",
  growth:
    "Start and plan do not grow with the bytes, so the exponent in bytes is below 1. With many small tensors, the work for each tensor counts, not its weights: its line in the plan, its part of a job, and its line in the report. Plan, jobs, results and report are kept in memory, and each thread has the header of the source: with 100,000 tensors 90 MB of objects and 40 MB of buffers are alive in the first thread and 25 and 30 MB in the second, and the engine collects them when they have grown by 30 %.",
  memory:
    "Each worker has the memory of its kernels and its bands of rows; the main thread has the plan. The row that is named needs the largest share of the bound.",
};
