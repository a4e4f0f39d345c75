package io.quern.text;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.text.Normalizer;
import java.util.Base64;
import java.util.BitSet;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** Writes character maps as sentencepiece does: double-array tries in the format of Darts. */
final class Charsmaps {
  private static final class Branch {
    private final TreeMap<Integer, Branch> children = new TreeMap<>();
    private int value = -1;
  }

  private int[] units = new int[1 << 16];
  private final BitSet used = new BitSet();
  private final BitSet bases = new BitSet();
  private int limit;

  private Charsmaps() {}

  /** Compatibility forms of many characters, some that vanish, and some sequences. */
  static String example() {
    Map<String, String> map = new TreeMap<>();
    for (int c = 0xA0; c < 0xFFFF; c++) {
      boolean isWanted = c < 0x2500 || (c >= 0x3200 && c < 0x3400) || c >= 0xF900;
      if (!isWanted || Character.isSurrogate((char) c)) {
        continue;
      }
      String single = Character.toString(c);
      String form = Normalizer.normalize(single, Normalizer.Form.NFKC);
      if (!form.equals(single)) {
        map.put(single, form);
      }
    }
    for (int c : new int[] {1, 2, 0x7F, 0x200B, 0xAD}) {
      map.put(Character.toString(c), "");
    }
    for (String pair : new String[] {"e\u0301", "a\u0300", "o\u0302\u0301", "か\u3099"}) {
      map.put(pair, Normalizer.normalize(pair, Normalizer.Form.NFC));
    }
    map.put("\t", " ");
    map.put("\n", " ");
    map.put("\r\n", " ");
    map.put("\u1100\u1161", "가");
    map.put("🙂", ":-)");
    return base64(map);
  }

  /** The map in base64. */
  static String base64(Map<String, String> map) {
    Map<String, Integer> positions = new HashMap<>();
    StringBuilder strings = new StringBuilder();
    Branch root = new Branch();
    map.forEach(
        (from, to) -> {
          Integer position = positions.get(to);
          if (position == null) {
            position = strings.toString().getBytes(StandardCharsets.UTF_8).length;
            positions.put(to, position);
            strings.append(to).append('\0');
          }
          Branch branch = root;
          for (byte each : from.getBytes(StandardCharsets.UTF_8)) {
            branch = branch.children.computeIfAbsent(each & 0xFF, key -> new Branch());
          }
          branch.value = position;
        });
    Charsmaps maps = new Charsmaps();
    maps.used.set(0);
    maps.write(root, 0, 0);
    byte[] block = strings.toString().getBytes(StandardCharsets.UTF_8);
    int size = (maps.limit | 0xFF) + 1;
    ByteBuffer blob =
        ByteBuffer.allocate(4 + 4 * size + block.length).order(ByteOrder.LITTLE_ENDIAN);
    blob.putInt(4 * size);
    for (int i = 0; i < size; i++) {
      blob.putInt(maps.units[i]);
    }
    return Base64.getEncoder().encodeToString(blob.put(block).array());
  }

  /** Writes the unit of a branch at a place, and its children below a base of their own. */
  private void write(Branch branch, int at, int label) {
    int base = at + 1;
    while (!isFree(base, at, branch)) {
      base++;
    }
    bases.set(base);
    int offset = at ^ base;
    boolean isFar = offset >= 1 << 21;
    units[at] =
        (isFar ? offset >>> 8 << 10 | 1 << 9 : offset << 10)
            | label
            | (branch.value >= 0 ? 256 : 0);
    if (branch.value >= 0) {
      used.set(base);
      units[base] = branch.value | 1 << 31;
    }
    int found = base;
    branch.children.keySet().forEach(each -> used.set(found ^ each));
    branch.children.forEach((each, child) -> write(child, found ^ each, each));
    limit = Math.max(limit, base | 0xFF);
  }

  private boolean isFree(int base, int at, Branch branch) {
    if ((base | 0xFF) >= units.length) {
      units = java.util.Arrays.copyOf(units, units.length * 2);
    }
    int offset = at ^ base;
    return !bases.get(base)
        && (offset < 1 << 21 || (offset & 0xFF) == 0)
        && (branch.value < 0 || !used.get(base))
        && branch.children.keySet().stream().noneMatch(each -> used.get(base ^ each));
  }
}
