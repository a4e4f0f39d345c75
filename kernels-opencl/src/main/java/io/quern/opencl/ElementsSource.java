package io.quern.opencl;

import io.quern.DType;
import java.util.Locale;

/**
 * Functions in OpenCL C that load elements of a type as floats, and round floats when they are
 * stored.
 *
 * @param dtype F32, F16 or BF16
 */
record ElementsSource(DType dtype) {
  /** Of runs, or as many elements as there are. */
  private static final String PARTS =
      """
      static inline floatN load_part_NAME(const global TYPE *from, i64 count) {
        if (count >= N) {
          return load_NAME_N(from);
        }
        float part[N];
        for (int i = 0; i < N; i++) {
          part[i] = i < count ? load_NAME_1(from + i) : 0.0f;
        }
        return vloadN(0, part);
      }

      static inline void store_part_NAME(global TYPE *to, i64 count, floatN run) {
        if (count >= N) {
          store_NAME_N(to, run);
          return;
        }
        float part[N];
        vstoreN(run, 0, part);
        for (int i = 0; i < count; i++) {
          store_NAME_1(to + i, part[i]);
        }
      }

      """;

  private static final String ROUND =
      """
        uintN bits = as_uintN(x);
        uintN rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        vstoreN(convert_ushortN(isnan(x) ? (uintN)0x7fc0 : rounded), 0, to);
      """;

  /** The type of pointers. */
  String type() {
    return switch (dtype) {
      case F16 -> "half";
      case BF16 -> "ushort";
      default -> "float";
    };
  }

  private String name() {
    return dtype.name().toLowerCase(Locale.ROOT);
  }

  /** The function that loads so many elements. */
  String load(int width) {
    return "load_" + name() + "_" + width;
  }

  /** The function that stores so many elements. */
  String store(int width) {
    return "store_" + name() + "_" + width;
  }

  /** The function that loads a run at most. */
  String loadPart() {
    return "load_part_" + name();
  }

  /** The function that stores a run at most. */
  String storePart() {
    return "store_part_" + name();
  }

  /** The functions for single elements and for runs. */
  String functions(int run) {
    String single =
        switch (dtype) {
          case F16 -> functions("vload_half(0, from)", "  vstore_half_rte(x, 0, to);\n");
          case BF16 -> functions("from_bf16(*from)", "  *to = to_bf16(x);\n");
          default -> functions("*from", "  *to = x;\n");
        };
    String runs =
        switch (dtype) {
          case F16 -> functions("vload_halfN(0, from)", "  vstore_halfN_rte(x, 0, to);\n");
          case BF16 -> functions("as_floatN(convert_uintN(vloadN(0, from)) << 16)", ROUND);
          default -> functions("vloadN(0, from)", "  vstoreN(x, 0, to);\n");
        };
    return (single.replace("_N(", "_1(").replace("floatN", "float") + runs + PARTS)
        .replace("NAME", name())
        .replace("TYPE", type())
        .replace("N", Integer.toString(run));
  }

  private static String functions(String load, String store) {
    return "static inline floatN load_NAME_N(const global TYPE *from) {\n  return "
        + load
        + ";\n}\n\nstatic inline void store_NAME_N(global TYPE *to, floatN x) {\n"
        + store
        + "}\n\n";
  }
}
