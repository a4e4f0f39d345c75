package io.quern.text;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Byte-pair encoding (Sennrich et al. 2016): starts from single characters and joins the pair of
 * neighbours whose merge was learned first, until none is left. Remembers short words.
 */
final class Bpe implements Model {
  private static final int CACHED_WORDS = 1 << 14;
  private static final int CACHED_CHARS = 48;

  /** A word and its tokens, each with the range of characters of the word that it stands for. */
  @SuppressWarnings("ArrayRecordComponent")
  private record Word(char[] chars, int[] ids, int[] starts, int[] ends) {}

  private final Vocabulary vocabulary;
  private final Merges merges;
  private final int unknown;
  private final boolean fuseUnknown;
  private final boolean ignoreMerges;
  private final @Nullable String prefix;
  private final @Nullable String suffix;
  private final int @Nullable [] bytes;

  /** A direct-mapped cache; words are immutable, so that races lose entries at worst. */
  private final @Nullable Word[] cache = new Word[CACHED_WORDS];

  private Bpe(Node node) {
    vocabulary = Vocabulary.parse(node.get("vocab"));
    unknown = node.get("unk_token").isNull() ? Trie.NONE : vocabulary.id(node.get("unk_token"));
    fuseUnknown = node.flag("fuse_unk", false);
    ignoreMerges = node.flag("ignore_merges", false);
    prefix = node.textOrNull("continuing_subword_prefix");
    suffix = node.textOrNull("end_of_word_suffix");
    bytes = node.flag("byte_fallback", false) ? ByteTokens.of(vocabulary) : null;
    merges = merges(node.get("merges"), vocabulary, prefix == null ? 0 : prefix.length());
  }

  static Bpe parse(Node node) {
    if (node.get("dropout").value() instanceof Number dropout && dropout.doubleValue() != 0) {
      throw node.get("dropout").unsupported("value", dropout.toString(), "null and 0");
    }
    return new Bpe(node);
  }

  private static Merges merges(Node node, Vocabulary vocabulary, int prefixLength) {
    List<?> list = node.raw();
    Merges merges = new Merges(list.size());
    for (int rank = 0; rank < list.size(); rank++) {
      String left;
      String right;
      if (list.get(rank) instanceof String line && line.split(" ", -1).length == 2) {
        left = line.substring(0, line.indexOf(' '));
        right = line.substring(left.length() + 1);
      } else if (list.get(rank) instanceof List<?> pair
          && pair.size() == 2
          && pair.get(0) instanceof String first
          && pair.get(1) instanceof String second) {
        left = first;
        right = second;
      } else {
        throw node.error("entry " + rank + " is not a pair of tokens");
      }
      int leftId = vocabulary.id(left);
      int rightId = vocabulary.id(right);
      int id = vocabulary.id(left + right.substring(Math.min(prefixLength, right.length())));
      if (leftId == Trie.NONE || rightId == Trie.NONE || id == Trie.NONE) {
        throw node.error(
            "entry %d joins %s and %s, not all in the vocabulary".formatted(rank, left, right));
      }
      merges.put(leftId, rightId, rank, id);
    }
    return merges;
  }

  @Override
  public Vocabulary vocabulary() {
    return vocabulary;
  }

  @Override
  public void tokenize(Text text, int from, int to, Tokens out) {
    if (to - from > CACHED_CHARS) {
      add(word(text, from, to), text, from, out);
      return;
    }
    int hash = 0;
    for (int i = from; i < to; i++) {
      hash = hash * 31 + text.charAt(i);
    }
    int slot = (hash ^ hash >>> 15) & (CACHED_WORDS - 1);
    Word word = cache[slot];
    if (word == null || !text.equals(from, to, word.chars)) {
      word = word(text, from, to);
      cache[slot] = word;
    }
    add(word, text, from, out);
  }

  private static void add(Word word, Text text, int from, Tokens out) {
    for (int i = 0; i < word.ids.length; i++) {
      out.add(word.ids[i], text.spanOf(from + word.starts[i], from + word.ends[i]));
    }
  }

  private Word word(Text text, int from, int to) {
    String string = text.string(from, to);
    int whole = ignoreMerges ? vocabulary.id(string) : Trie.NONE;
    if (whole != Trie.NONE) {
      return new Word(
          string.toCharArray(), new int[] {whole}, new int[] {0}, new int[] {string.length()});
    }
    Symbols symbols = new Symbols(string.length());
    split(string, symbols);
    symbols.merge(merges);
    return word(string, symbols);
  }

  /** Adds a symbol for each character, for its bytes, or for unknown ones. */
  private void split(String string, Symbols symbols) {
    int pending = 0;
    for (int at = 0; at < string.length(); ) {
      int end = at + Character.charCount(string.codePointAt(at));
      int length = utf8Length(string.codePointAt(at));
      String symbol = symbol(string, at, end);
      int id = vocabulary.id(symbol);
      int[] fallback = id == Trie.NONE && bytes != null ? ByteTokens.ids(bytes, symbol) : null;
      if (id != Trie.NONE) {
        if (pending > 0) {
          symbols.add(unknown, pending);
          pending = 0;
        }
        symbols.add(id, length);
      } else if (fallback != null) {
        for (int each : fallback) {
          symbols.add(each, 1);
        }
      } else if (unknown != Trie.NONE) {
        if (pending > 0 && !fuseUnknown) {
          symbols.add(unknown, pending);
          pending = 0;
        }
        pending += length;
      }
      at = end;
    }
    if (pending > 0) {
      symbols.add(unknown, pending);
    }
  }

  private String symbol(String string, int at, int end) {
    String symbol = string.substring(at, end);
    if (prefix != null && at > 0) {
      symbol = prefix + symbol;
    }
    return suffix != null && end == string.length() ? symbol + suffix : symbol;
  }

  /** Lengths of symbols are in bytes of UTF-8; tokens stand for all characters they touch. */
  private static Word word(String string, Symbols symbols) {
    int count = symbols.count();
    Word word = new Word(string.toCharArray(), new int[count], new int[count], new int[count]);
    int at = 0;
    int end = 0;
    int bytes = 0;
    int byteEnd = 0;
    int symbol = 0;
    for (int i = 0; i < count; i++, symbol = symbols.next(symbol)) {
      word.ids[i] = symbols.id(symbol);
      while (end < string.length() && byteEnd <= bytes) {
        at = end;
        byteEnd += utf8Length(string.codePointAt(at));
        end += Character.charCount(string.codePointAt(at));
      }
      word.starts[i] = at;
      bytes += symbols.length(symbol);
      while (end < string.length() && byteEnd < bytes) {
        at = end;
        byteEnd += utf8Length(string.codePointAt(at));
        end += Character.charCount(string.codePointAt(at));
      }
      word.ends[i] = end;
    }
    return word;
  }

  private static int utf8Length(int codePoint) {
    return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4;
  }

  /** The symbols of a word as a doubly linked list, and a heap of the pairs that can merge. */
  private static final class Symbols {
    private int[] ids;
    private int[] lengths;
    private int[] next;
    private int[] previous;
    private int size;
    private int count;
    private long[] heap = new long[16];
    private int heapSize;

    Symbols(int capacity) {
      ids = new int[capacity];
      lengths = new int[capacity];
    }

    void add(int id, int length) {
      if (size == ids.length) {
        ids = Arrays.copyOf(ids, size * 2 + 4);
        lengths = Arrays.copyOf(lengths, size * 2 + 4);
      }
      ids[size] = id;
      lengths[size++] = length;
    }

    int count() {
      return count;
    }

    int next(int symbol) {
      return next[symbol];
    }

    int id(int symbol) {
      return ids[symbol];
    }

    int length(int symbol) {
      return lengths[symbol];
    }

    void merge(Merges merges) {
      count = size;
      next = new int[size];
      previous = new int[size];
      for (int i = 0; i < size; i++) {
        next[i] = i + 1;
        previous[i] = i - 1;
      }
      for (int i = 0; i + 1 < size; i++) {
        offer(merges, i);
      }
      while (heapSize > 0) {
        long top = poll();
        int left = (int) top;
        int right = next[left];
        long merge = lengths[left] == 0 || right == size ? -1 : merges.get(ids[left], ids[right]);
        if (merge < 0 || Merges.rank(merge) != (int) (top >>> 32)) {
          continue;
        }
        ids[left] = Merges.id(merge);
        lengths[left] += lengths[right];
        lengths[right] = 0;
        next[left] = next[right];
        if (next[right] < size) {
          previous[next[right]] = left;
          offer(merges, left);
        }
        if (previous[left] >= 0) {
          offer(merges, previous[left]);
        }
        count--;
      }
    }

    /** Queues the pair that starts at a symbol: by rank, then from left to right. */
    private void offer(Merges merges, int left) {
      long merge = merges.get(ids[left], ids[next[left]]);
      if (merge < 0) {
        return;
      }
      if (heapSize == heap.length) {
        heap = Arrays.copyOf(heap, heapSize * 2);
      }
      long key = (long) Merges.rank(merge) << 32 | left;
      int at = heapSize++;
      for (int up = (at - 1) >> 1; at > 0 && heap[up] > key; up = (at - 1) >> 1) {
        heap[at] = heap[up];
        at = up;
      }
      heap[at] = key;
    }

    private long poll() {
      long top = heap[0];
      long last = heap[--heapSize];
      int at = 0;
      for (int down = 1; down < heapSize; down = 2 * at + 1) {
        if (down + 1 < heapSize && heap[down + 1] < heap[down]) {
          down++;
        }
        if (heap[down] >= last) {
          break;
        }
        heap[at] = heap[down];
        at = down;
      }
      heap[at] = last;
      return top;
    }
  }
}
