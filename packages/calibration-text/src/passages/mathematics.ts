import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const mathematics: readonly Passage[] = [
  {
    name: "root-two",
    kind: "mathematics",
    language: "English",
    source: WRITTEN_HERE,
    text: String.raw`**Theorem.** $\sqrt{2}$ is irrational.

*Proof.* Suppose $\sqrt{2} = p/q$ with integers $p, q$ that have no common factor. Then $p^2 = 2q^2$, so $p^2$ is even, and hence $p$ is even, say $p = 2r$. Substituting gives $4r^2 = 2q^2$, that is, $q^2 = 2r^2$. So $q$ is even as well, which contradicts the assumption that $p$ and $q$ have no common factor. $\blacksquare$

**Exercise.** Where does the proof fail if one replaces $2$ by $4$? Show that $\sqrt{n}$ is rational only if $n$ is a perfect square.`,
  },
  {
    name: "two-pipes",
    kind: "mathematics",
    language: "English",
    source: WRITTEN_HERE,
    text: `Question: A swimming pool is filled by two pipes. Pipe A alone needs 6 hours and pipe B alone needs 4 hours. A is opened at 8:00 and B at 9:00. When is the pool full?

Answer: Let us count in parts of the pool per hour. A fills 1/6 and B fills 1/4 of it each hour.
Between 8:00 and 9:00, A fills 1/6, so 5/6 remain.
Together they fill 1/6 + 1/4 = 2/12 + 3/12 = 5/12 per hour.
The rest takes (5/6) ÷ (5/12) = (5/6) × (12/5) = 2 hours.
Check: A runs for 3 hours, 3/6 = 1/2; B runs for 2 hours, 2/4 = 1/2; together 1. ✓
The pool is full at 11:00.`,
  },
  {
    name: "gaussian-integral",
    kind: "mathematics",
    language: "LaTeX",
    source: WRITTEN_HERE,
    text: String.raw`\begin{proof}
Let $I = \int_{-\infty}^{\infty} e^{-x^2}\,dx$. In polar coordinates,
\begin{align*}
  I^2 &= \int_{-\infty}^{\infty}\int_{-\infty}^{\infty} e^{-(x^2+y^2)}\,dx\,dy \\
      &= \int_0^{2\pi}\int_0^{\infty} e^{-r^2}\, r\,dr\,d\theta
       = 2\pi \left[-\tfrac{1}{2}e^{-r^2}\right]_0^{\infty} = \pi .
\end{align*}
Since $I > 0$, it follows that $I = \sqrt{\pi}$. More generally, for a symmetric positive definite
matrix $A \in \mathbb{R}^{n \times n}$,
\[
  \int_{\mathbb{R}^n} \exp\!\left(-\tfrac12\, x^{\mathsf T} A\, x\right) dx
  = \frac{(2\pi)^{n/2}}{\sqrt{\det A}} .
\]
\end{proof}`,
  },
  {
    name: "bayes",
    kind: "mathematics",
    language: "English",
    source: WRITTEN_HERE,
    text: `A test finds a disease in 99 of 100 people who have it, and gives a false alarm in 2 of 100 who do not. One person in 500 has the disease. How likely is it that a person with a positive test is ill?

P(ill | +) = P(+ | ill) · P(ill) / P(+)
           = 0.99 · 0.002 / (0.99 · 0.002 + 0.02 · 0.998)
           = 0.00198 / (0.00198 + 0.01996)
           = 0.00198 / 0.02194
           ≈ 0.090

So about 9 %: most positive results come from the large number of healthy people. After a second, independent positive test the odds 0.00198 : 0.01996 are multiplied by 0.99/0.02 = 49.5 once more, and the probability rises to about 83 %.`,
  },
  {
    name: "pythagoras",
    kind: "mathematics",
    language: "English",
    source: WRITTEN_HERE,
    text: `Let a and b be the legs and c the hypotenuse of a right triangle. Draw a square of side a + b and place four copies of the triangle in its corners, so that the hypotenuses enclose a tilted square. Its area is c². The large square has the area (a + b)² = a² + 2ab + b², and the four triangles together cover 4 · ½ab = 2ab. Therefore c² = (a² + 2ab + b²) − 2ab = a² + b². For example, 3² + 4² = 9 + 16 = 25 = 5²; 5² + 12² = 169 = 13²; 8² + 15² = 289 = 17².`,
  },
  {
    name: "arithmetic",
    kind: "mathematics",
    language: "English",
    source: WRITTEN_HERE,
    text: `347 × 86 = 347 × 80 + 347 × 6 = 27,760 + 2,082 = 29,842
1,001 = 7 × 11 × 13        2^16 = 65,536        10! = 3,628,800
1/7 = 0.142857142857…      π ≈ 3.14159265358979  e ≈ 2.71828182845905
0x2F = 2·16 + 15 = 47      0b101101 = 32 + 8 + 4 + 1 = 45
1 + 2 + 3 + … + 100 = 100 · 101 / 2 = 5,050
∑_{k=0}^{n} 2^k = 2^{n+1} − 1        lim_{x→0} sin(x)/x = 1        d/dx x³ = 3x²
gcd(252, 198): 252 = 1·198 + 54; 198 = 3·54 + 36; 54 = 1·36 + 18; 36 = 2·18 + 0 ⇒ 18
∀ε > 0 ∃δ > 0: |x − a| < δ ⇒ |f(x) − f(a)| < ε`,
  },
];
