import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const applicationCode: readonly Passage[] = [
  {
    name: "shortest-path",
    kind: "code",
    language: "Python",
    source: WRITTEN_HERE,
    text: `from __future__ import annotations

import heapq
from dataclasses import dataclass, field


@dataclass
class Network:
    """Places and the minutes that it takes to travel between them."""

    roads: dict[str, dict[str, float]] = field(default_factory=dict)

    def connect(self, a: str, b: str, minutes: float) -> None:
        if minutes < 0:
            raise ValueError(f"{a} to {b}: a road cannot take {minutes} minutes")
        self.roads.setdefault(a, {})[b] = minutes
        self.roads.setdefault(b, {})[a] = minutes

    def route(self, start: str, goal: str) -> tuple[float, list[str]] | None:
        queue = [(0.0, start, [start])]
        visited: set[str] = set()
        while queue:
            cost, place, path = heapq.heappop(queue)
            if place == goal:
                return cost, path
            if place in visited:
                continue
            visited.add(place)
            for neighbour, minutes in self.roads.get(place, {}).items():
                if neighbour not in visited:
                    heapq.heappush(queue, (cost + minutes, neighbour, [*path, neighbour]))
        return None


if __name__ == "__main__":
    net = Network()
    net.connect("harbour", "market", 7)
    net.connect("market", "castle", 12)
    net.connect("harbour", "castle", 25)
    print(net.route("harbour", "castle"))  # (19.0, ['harbour', 'market', 'castle'])`,
  },
  {
    name: "observable-store",
    kind: "code",
    language: "TypeScript",
    source: WRITTEN_HERE,
    text: `type Listener<T> = (value: T) => void;

export class Store<T extends object> {
  #state: T;
  readonly #listeners = new Set<Listener<T>>();

  constructor(initial: T) {
    this.#state = Object.freeze({ ...initial });
  }

  get state(): Readonly<T> {
    return this.#state;
  }

  update(change: Partial<T> | ((state: Readonly<T>) => Partial<T>)): void {
    const patch = typeof change === "function" ? change(this.#state) : change;
    this.#state = Object.freeze({ ...this.#state, ...patch });
    for (const listener of this.#listeners) listener(this.#state);
  }

  subscribe(listener: Listener<T>): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

const cart = new Store({ items: [] as string[], total: 0 });
const stop = cart.subscribe(({ items, total }) => {
  console.log(\`\${items.length} item(s), €\${(total / 100).toFixed(2)}\`);
});
cart.update(({ items, total }) => ({ items: [...items, "lamp"], total: total + 2495 }));
stop();`,
  },
  {
    name: "fetch-with-retry",
    kind: "code",
    language: "JavaScript",
    source: WRITTEN_HERE,
    text: `const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function fetchJson(url, { retries = 3, signal } = {}) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      const response = await fetch(url, { headers: { accept: "application/json" }, signal });
      if (response.ok) return await response.json();
      if (response.status < 500 || attempt === retries)
        throw new Error(\`\${url} answered \${response.status} \${response.statusText}\`);
    } catch (error) {
      if (signal?.aborted || attempt === retries) throw error;
    }
    await sleep(200 * 2 ** attempt + Math.random() * 100);
  }
}

document.querySelector("#search")?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const query = new FormData(event.target).get("q")?.trim() ?? "";
  if (query === "") return;
  const { results } = await fetchJson(\`/api/search?q=\${encodeURIComponent(query)}\`);
  const list = document.querySelector("ul.results");
  list.replaceChildren(
    ...results.map(({ title }) => Object.assign(document.createElement("li"), { textContent: title })),
  );
});`,
  },
  {
    name: "bank-account",
    kind: "code",
    language: "Java",
    source: WRITTEN_HERE,
    text: `package org.example.ledger;

import java.math.BigDecimal;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

public final class Account {
    public record Entry(Instant at, String text, BigDecimal amount) {}

    private final List<Entry> entries = new ArrayList<>();
    private BigDecimal balance = BigDecimal.ZERO;

    public synchronized void deposit(String text, BigDecimal amount) {
        if (amount.signum() <= 0) {
            throw new IllegalArgumentException("Only positive amounts can be deposited: " + amount);
        }
        entries.add(new Entry(Instant.now(), text, amount));
        balance = balance.add(amount);
    }

    public synchronized boolean withdraw(String text, BigDecimal amount) {
        if (balance.compareTo(amount) < 0) {
            return false;
        }
        entries.add(new Entry(Instant.now(), text, amount.negate()));
        balance = balance.subtract(amount);
        return true;
    }

    public synchronized List<Entry> statement() {
        return Collections.unmodifiableList(new ArrayList<>(entries));
    }
}`,
  },
  {
    name: "inventory-report",
    kind: "code",
    language: "C#",
    source: WRITTEN_HERE,
    text: `using System;
using System.Collections.Generic;
using System.Linq;

namespace Warehouse;

public record Item(string Sku, string Name, int Stock, decimal Price);

public static class Report
{
    public static IEnumerable<string> Lines(IEnumerable<Item> items, int minimum) =>
        from item in items
        where item.Stock < minimum
        orderby item.Stock, item.Name
        select $"{item.Sku,-10} {item.Name,-24} {item.Stock,5} {item.Price,9:F2}";

    public static void Main()
    {
        var items = new[]
        {
            new Item("LMP-001", "Desk lamp", 3, 24.95m),
            new Item("CHR-114", "Folding chair", 41, 39.00m),
            new Item("TBL-020", "Side table", 0, 89.50m),
        };
        foreach (var line in Lines(items, minimum: 5))
            Console.WriteLine(line);
    }
}`,
  },
  {
    name: "weather-view",
    kind: "code",
    language: "Kotlin",
    source: WRITTEN_HERE,
    text: `sealed interface Weather {
    data class Measured(val celsius: Double, val humidity: Int) : Weather
    data class Failed(val reason: String) : Weather
    data object Loading : Weather
}

fun describe(weather: Weather): String = when (weather) {
    is Weather.Measured -> buildString {
        append("%.1f °C".format(weather.celsius))
        if (weather.humidity > 80) append(", humid")
    }
    is Weather.Failed -> "No data: " + weather.reason
    Weather.Loading -> "…"
}

fun main() {
    listOf(Weather.Loading, Weather.Measured(21.46, 85), Weather.Failed("station offline"))
        .map(::describe)
        .forEachIndexed { i, line -> println("$i: $line") }
}`,
  },
  {
    name: "geometry-protocol",
    kind: "code",
    language: "Swift",
    source: WRITTEN_HERE,
    text: `protocol Shape {
    var area: Double { get }
}

struct Circle: Shape {
    let radius: Double
    var area: Double { .pi * radius * radius }
}

struct Polygon: Shape {
    let points: [(x: Double, y: Double)]

    var area: Double {
        guard points.count > 2 else { return 0 }
        let doubled = points.indices.reduce(0.0) { sum, i in
            let (a, b) = (points[i], points[(i + 1) % points.count])
            return sum + a.x * b.y - b.x * a.y
        }
        return abs(doubled) / 2
    }
}

let shapes: [any Shape] = [Circle(radius: 1.5), Polygon(points: [(0, 0), (4, 0), (4, 3)])]
print(shapes.map { $0.area }.sorted())`,
  },
];
