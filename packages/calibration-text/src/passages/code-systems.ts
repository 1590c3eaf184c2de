import { type Passage, WRITTEN_HERE } from "../passage.ts";

export const systemsCode: readonly Passage[] = [
  {
    name: "ring-buffer",
    kind: "code",
    language: "C",
    source: WRITTEN_HERE,
    text: String.raw`#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CAPACITY 64u /* a power of two */

typedef struct {
    uint8_t data[CAPACITY];
    size_t head; /* next byte to write */
    size_t tail; /* next byte to read */
} ring;

static bool ring_push(ring *r, uint8_t byte) {
    if (r->head - r->tail == CAPACITY)
        return false;
    r->data[r->head++ & (CAPACITY - 1)] = byte;
    return true;
}

static bool ring_pop(ring *r, uint8_t *byte) {
    if (r->head == r->tail)
        return false;
    *byte = r->data[r->tail++ & (CAPACITY - 1)];
    return true;
}

int main(void) {
    ring r = {0};
    int c;
    while ((c = getchar()) != EOF && ring_push(&r, (uint8_t)c))
        ;
    for (uint8_t b; ring_pop(&r, &b);)
        printf("%02x%c", b, b == '\n' ? '\n' : ' ');
    return 0;
}`,
  },
  {
    name: "word-trie",
    kind: "code",
    language: "Rust",
    source: WRITTEN_HERE,
    text: `use std::collections::BTreeMap;

/// A set of words that can list all entries with a given prefix.
#[derive(Default, Debug)]
pub struct Trie {
    children: BTreeMap<char, Trie>,
    ends_here: bool,
}

impl Trie {
    pub fn insert(&mut self, word: &str) {
        let mut node = self;
        for c in word.chars() {
            node = node.children.entry(c).or_default();
        }
        node.ends_here = true;
    }

    pub fn with_prefix(&self, prefix: &str) -> Vec<String> {
        let mut node = self;
        for c in prefix.chars() {
            match node.children.get(&c) {
                Some(next) => node = next,
                None => return Vec::new(),
            }
        }
        let mut found = Vec::new();
        node.collect(&mut prefix.to_owned(), &mut found);
        found
    }

    fn collect(&self, path: &mut String, found: &mut Vec<String>) {
        if self.ends_here {
            found.push(path.clone());
        }
        for (&c, child) in &self.children {
            path.push(c);
            child.collect(path, found);
            path.pop();
        }
    }
}`,
  },
  {
    name: "worker-pool",
    kind: "code",
    language: "Go",
    source: WRITTEN_HERE,
    text: String.raw`package main

import (
	"crypto/sha256"
	"fmt"
	"os"
	"sync"
)

type result struct {
	path string
	sum  [32]byte
	err  error
}

func main() {
	paths := make(chan string)
	results := make(chan result)
	var workers sync.WaitGroup

	for range 4 {
		workers.Add(1)
		go func() {
			defer workers.Done()
			for path := range paths {
				data, err := os.ReadFile(path)
				results <- result{path, sha256.Sum256(data), err}
			}
		}()
	}
	go func() {
		for _, path := range os.Args[1:] {
			paths <- path
		}
		close(paths)
		workers.Wait()
		close(results)
	}()

	for r := range results {
		if r.err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", r.path, r.err)
			continue
		}
		fmt.Printf("%x  %s\n", r.sum, r.path)
	}
}`,
  },
  {
    name: "makefile",
    kind: "code",
    language: "Makefile",
    source: WRITTEN_HERE,
    text: `CFLAGS += -O2 -Wall -Wextra
objects := main.o parse.o print.o

calc: $(objects)
	$(CC) $(LDFLAGS) -o $@ $^

%.o: %.c calc.h
	$(CC) $(CFLAGS) -c -o $@ $<

.PHONY: clean
clean:
	rm -f calc $(objects)`,
  },
  {
    name: "matrix-template",
    kind: "code",
    language: "C++",
    source: WRITTEN_HERE,
    text: String.raw`#include <array>
#include <cassert>
#include <iostream>

template <typename T, std::size_t R, std::size_t C>
class Matrix {
public:
    constexpr T &operator()(std::size_t i, std::size_t j) { return cells_[i * C + j]; }
    constexpr const T &operator()(std::size_t i, std::size_t j) const { return cells_[i * C + j]; }

    template <std::size_t K>
    constexpr Matrix<T, R, K> operator*(const Matrix<T, C, K> &other) const {
        Matrix<T, R, K> product{};
        for (std::size_t i = 0; i < R; ++i)
            for (std::size_t k = 0; k < C; ++k)
                for (std::size_t j = 0; j < K; ++j)
                    product(i, j) += (*this)(i, k) * other(k, j);
        return product;
    }

private:
    std::array<T, R * C> cells_{};
};

int main() {
    Matrix<long, 2, 2> step;
    step(0, 0) = step(0, 1) = step(1, 0) = 1;
    auto power = step;
    for (int n = 2; n <= 10; ++n) {
        power = power * step;
        std::cout << "F(" << n << ") = " << power(0, 1) << '\n';
    }
    assert(power(0, 1) == 55);
}`,
  },
  {
    name: "strlen",
    kind: "code",
    language: "Assembly",
    source: WRITTEN_HERE,
    text: `; size_t length(const char *text)   x86-64, System V
        global  length
        section .text
length:
        xor     eax, eax            ; count = 0
.next:
        cmp     byte [rdi + rax], 0
        je      .done
        inc     rax
        jmp     .next
.done:
        ret`,
  },
];
