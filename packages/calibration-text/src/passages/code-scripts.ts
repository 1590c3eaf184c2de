import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const scripts: readonly Passage[] = [
  {
    name: "library-queries",
    kind: "code",
    language: "SQL",
    source: WRITTEN_HERE,
    text: `CREATE TABLE loan (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    book_id     BIGINT NOT NULL REFERENCES book (id),
    reader_id   BIGINT NOT NULL REFERENCES reader (id),
    taken_on    DATE NOT NULL DEFAULT CURRENT_DATE,
    returned_on DATE,
    CHECK (returned_on IS NULL OR returned_on >= taken_on)
);

-- The three most borrowed books of each branch in the last year
WITH counted AS (
    SELECT b.branch, b.title, COUNT(*) AS loans,
           RANK() OVER (PARTITION BY b.branch ORDER BY COUNT(*) DESC) AS place
    FROM loan AS l
    JOIN book AS b ON b.id = l.book_id
    WHERE l.taken_on >= CURRENT_DATE - INTERVAL '1 year'
    GROUP BY b.branch, b.title
)
SELECT branch, place, title, loans
FROM counted
WHERE place <= 3
ORDER BY branch, place;`,
  },
  {
    name: "backup-script",
    kind: "code",
    language: "Bash",
    source: WRITTEN_HERE,
    text: String.raw`#!/usr/bin/env bash
# Keep seven daily copies of a folder.
set -euo pipefail

if [[ $# -ne 2 ]]; then
  echo "usage: $(basename "$0") SOURCE TARGET" >&2
  exit 64
fi
source=$1
target=$2
today=$(date +%F)

mkdir -p "$target"
tar -czf "$target/$today.tar.gz.part" -C "$source" .
mv "$target/$today.tar.gz.part" "$target/$today.tar.gz"

find "$target" -name '????-??-??.tar.gz' | sort -r | tail -n +8 | while read -r old; do
  printf 'removing %s\n' "$old"
  rm "$old"
done`,
  },
  {
    name: "anagrams",
    kind: "code",
    language: "Ruby",
    source: WRITTEN_HERE,
    text: String.raw`# Groups the words of a file into anagrams: ruby anagrams.rb words.txt
class String
  def signature = downcase.scan(/\p{L}/).sort.join
end

words = File.foreach(ARGV.fetch(0), chomp: true).reject(&:empty?)
groups = words.group_by(&:signature).values.select { |group| group.size > 1 }

groups.sort_by { |group| [-group.size, group.first] }.first(10).each do |group|
  puts group.sort.join(", ")
end`,
  },
  {
    name: "expression-parser",
    kind: "code",
    language: "Haskell",
    source: WRITTEN_HERE,
    text: String.raw`module Calculator (evaluate) where

import Data.Char (isDigit, isSpace)

data Expr
  = Number Double
  | Binary Char Expr Expr
  deriving (Show, Eq)

-- | Sums of products of atoms; each parser returns the rest of the input.
sumOf, productOf, atom :: String -> Maybe (Expr, String)
sumOf = chain "+-" productOf
productOf = chain "*/" atom

atom ('(' : rest) = case sumOf rest of
  Just (e, ')' : rest') -> Just (e, rest')
  _ -> Nothing
atom text = case span isDigit text of
  ("", _) -> Nothing
  (digits, rest) -> Just (Number (read digits), rest)

chain :: String -> (String -> Maybe (Expr, String)) -> String -> Maybe (Expr, String)
chain operators item text = item text >>= uncurry go
  where
    go left (o : rest)
      | elem o operators = item rest >>= \(right, rest') -> go (Binary o left right) rest'
    go left rest = Just (left, rest)

evaluate :: String -> Maybe Double
evaluate text = case sumOf (filter (not . isSpace) text) of
  Just (e, "") -> Just (value e)
  _ -> Nothing
  where
    value (Number n) = n
    value (Binary '+' a b) = value a + value b
    value (Binary '-' a b) = value a - value b
    value (Binary '*' a b) = value a * value b
    value (Binary _ a b) = value a / value b`,
  },
  {
    name: "guestbook",
    kind: "code",
    language: "PHP",
    source: WRITTEN_HERE,
    text: String.raw`<?php
declare(strict_types=1);

final class Guestbook
{
    public function __construct(private PDO $db) {}

    public function add(string $name, string $message): void
    {
        $statement = $this->db->prepare('INSERT INTO entry (name, message) VALUES (:name, :message)');
        $statement->execute(['name' => trim($name), 'message' => trim($message)]);
    }

    /** @return iterable<string> */
    public function html(int $limit = 20): iterable
    {
        $rows = $this->db->query("SELECT name, message FROM entry ORDER BY id DESC LIMIT $limit");
        foreach ($rows as ['name' => $name, 'message' => $message]) {
            yield sprintf("<p><b>%s</b>: %s</p>\n", htmlspecialchars($name), nl2br(htmlspecialchars($message)));
        }
    }
}`,
  },
  {
    name: "rounding-diff",
    kind: "code",
    language: "Diff",
    source: WRITTEN_HERE,
    text: `diff a/src/money.py b/src/money.py
@@ -12,8 +12,10 @@ class Price:
     def split(self, people: int) -> list[int]:
-        share = round(self.cents / people)
-        return [share] * people
+        """Shares in cents; the first ones pay the cents that are left over."""
+        share, rest = divmod(self.cents, people)
+        return [share + 1] * rest + [share] * (people - rest)

 def test_split_keeps_every_cent():
-    assert sum(Price(100).split(3)) == 99
+    assert Price(100).split(3) == [34, 33, 33]`,
  },
  {
    name: "growth-model",
    kind: "code",
    language: "R",
    source: WRITTEN_HERE,
    text: `heights <- data.frame(
  age = c(2, 4, 6, 8, 10, 12, 14),
  cm  = c(86, 102, 115, 127, 138, 149, 163)
)
fit <- lm(cm ~ poly(age, 2), data = heights)
summary(fit)$r.squared

new <- data.frame(age = seq(2, 14, by = 0.5))
new$cm <- predict(fit, newdata = new)
plot(heights, pch = 19, xlab = "Age (years)", ylab = "Height (cm)")
lines(new, col = "steelblue", lwd = 2)`,
  },
  {
    name: "snake-step",
    kind: "code",
    language: "Lua",
    source: WRITTEN_HERE,
    text: `local snake = { { x = 5, y = 5 }, { x = 4, y = 5 } }
local directions = { up = { 0, -1 }, down = { 0, 1 }, left = { -1, 0 }, right = { 1, 0 } }

-- Moves the head one cell; the tail stays where it is when there was food.
local function step(direction, food)
  local dx, dy = table.unpack(directions[direction])
  local head = { x = snake[1].x + dx, y = snake[1].y + dy }
  for _, part in ipairs(snake) do
    if part.x == head.x and part.y == head.y then
      return false, "bitten"
    end
  end
  table.insert(snake, 1, head)
  if not (food and head.x == food.x and head.y == food.y) then
    table.remove(snake)
  end
  return true
end

print(step("right", { x = 6, y = 5 }), #snake) --> true  3`,
  },
  {
    name: "registration-page",
    kind: "code",
    language: "HTML",
    source: WRITTEN_HERE,
    text: `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Choir weekend – registration</title>
    <style>
      body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
      label { display: block; margin-top: 0.75rem; }
      input:invalid { border-color: #b00020; }
      @media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
    </style>
  </head>
  <body>
    <h1>Choir weekend</h1>
    <p>12–14 June, Old Mill. Places are <strong>limited to 36</strong>.</p>
    <form method="post" action="/register">
      <label>Name <input name="name" required autocomplete="name" /></label>
      <label>Voice
        <select name="voice"><option>Soprano</option><option>Alto</option><option>Tenor</option><option>Bass</option></select>
      </label>
      <label><input type="checkbox" name="vegetarian" /> Vegetarian meals</label>
      <button type="submit">Send &rarr;</button>
    </form>
  </body>
</html>`,
  },
];
