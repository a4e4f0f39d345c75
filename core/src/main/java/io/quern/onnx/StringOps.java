package io.quern.onnx;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.op.ShapeRules;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.regex.Pattern;

/** Operators on text. */
final class StringOps {
  private StringOps() {}

  static void addTo(OpTable table) {
    table.value("StringNormalizer", 10, StringOps::normalize);
    table.value("StringConcat", 20, StringOps::join);
    table.values("StringSplit", 20, StringOps::split);
    table.op("RegexFullMatch", 20, StringOps::matches);
    table.eager("TfIdfVectorizer", 9, StringOps::countNgrams);
  }

  /** Where texts are equal, with broadcasting. */
  static Tensor equal(OnnxValue.Strings left, OnnxValue.Strings right) {
    List<Boolean> same = new ArrayList<>();
    Shape shape = zip(left, right, (a, b) -> same.add(a.equals(b)));
    byte[] bytes = new byte[same.size()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (same.get(i) ? 1 : 0);
    }
    return IndexOps.ofBytes(bytes, DType.BOOL, shape);
  }

  private static Shape zip(
      OnnxValue.Strings left, OnnxValue.Strings right, BiConsumer<String, String> each) {
    Shape shape = ShapeRules.broadcast("strings", left.shape(), right.shape());
    long[] a = positions(left.shape(), shape);
    long[] b = positions(right.shape(), shape);
    for (int i = 0; i < a.length; i++) {
      each.accept(left.elements().get((int) a[i]), right.elements().get((int) b[i]));
    }
    return shape;
  }

  private static long[] positions(Shape from, Shape to) {
    return Tensor.arange(from.size(), DType.I64).reshape(from).expand(to).toLongArray();
  }

  /** Joins tensors of text along an axis. */
  static OnnxValue concat(Call call, long axis) {
    List<String> all = new ArrayList<>();
    Tensor[] parts = new Tensor[call.count()];
    for (int i = 0; i < parts.length; i++) {
      OnnxValue.Strings strings = call.strings(i);
      parts[i] =
          Tensor.arange(strings.elements().size(), DType.I64)
              .add(OnnxValue.longs(Shape.scalar(), all.size()))
              .reshape(strings.shape());
      all.addAll(strings.elements());
    }
    Tensor joined = Tensor.concat(call.axis(axis, parts[0].rank()), parts);
    List<String> ordered = new ArrayList<>();
    for (long place : joined.toLongArray()) {
      ordered.add(all.get((int) place));
    }
    return new OnnxValue.Strings(joined.shape(), ordered);
  }

  private static OnnxValue normalize(Call call) {
    OnnxValue.Strings in = call.strings(0);
    String change = call.text("case_change_action", "NONE");
    boolean sensitive = call.flag("is_case_sensitive", false);
    String language = call.text("locale", "");
    Locale locale =
        language.isEmpty() ? Locale.ROOT : Locale.forLanguageTag(language.replace('_', '-'));
    Set<String> stops = new HashSet<>();
    call.texts("stopwords").forEach(word -> stops.add(sensitive ? word : word.toLowerCase(locale)));
    List<String> kept = new ArrayList<>();
    for (String each : in.elements()) {
      if (!stops.contains(sensitive ? each : each.toLowerCase(locale))) {
        kept.add(
            switch (change) {
              case "LOWER" -> each.toLowerCase(locale);
              case "UPPER" -> each.toUpperCase(locale);
              default -> each;
            });
      }
    }
    if (kept.isEmpty()) {
      kept.add("");
    }
    Shape shape = in.shape().rank() == 2 ? Shape.of(1, kept.size()) : Shape.of(kept.size());
    return new OnnxValue.Strings(shape, kept);
  }

  private static OnnxValue join(Call call) {
    List<String> joined = new ArrayList<>();
    Shape shape = zip(call.strings(0), call.strings(1), (a, b) -> joined.add(a + b));
    return new OnnxValue.Strings(shape, joined);
  }

  private static OnnxValue[] split(Call call) {
    OnnxValue.Strings in = call.strings(0);
    String delimiter = call.text("delimiter", "");
    long most = call.integer("maxsplit", Long.MAX_VALUE);
    List<List<String>> parts = new ArrayList<>();
    int width = 0;
    for (String each : in.elements()) {
      List<String> words = split(each, delimiter, most);
      parts.add(words);
      width = Math.max(width, words.size());
    }
    List<String> padded = new ArrayList<>();
    long[] counts = new long[parts.size()];
    for (int i = 0; i < counts.length; i++) {
      counts[i] = parts.get(i).size();
      for (int w = 0; w < width; w++) {
        padded.add(w < counts[i] ? parts.get(i).get(w) : "");
      }
    }
    return new OnnxValue[] {
      new OnnxValue.Strings(in.shape().insert(in.shape().rank(), width), padded),
      OnnxValue.of(OnnxValue.longs(in.shape(), counts))
    };
  }

  /** Python's split: without a delimiter, runs of white space count as one. */
  private static List<String> split(String text, String delimiter, long most) {
    List<String> words = new ArrayList<>();
    String rest = text;
    if (delimiter.isEmpty()) {
      rest = rest.strip();
      while (!rest.isEmpty()) {
        String[] two = words.size() < most ? rest.split("\\s+", 2) : new String[] {rest};
        words.add(two[0]);
        rest = two.length == 2 ? two[1] : "";
      }
      return words;
    }
    int at;
    while (words.size() < most && (at = rest.indexOf(delimiter)) >= 0) {
      words.add(rest.substring(0, at));
      rest = rest.substring(at + delimiter.length());
    }
    words.add(rest);
    return words;
  }

  private static Tensor matches(Call call) {
    OnnxValue.Strings in = call.strings(0);
    Pattern pattern = Pattern.compile(call.text("pattern", ""));
    byte[] bytes = new byte[in.elements().size()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (pattern.matcher(in.elements().get(i)).matches() ? 1 : 0);
    }
    return IndexOps.ofBytes(bytes, DType.BOOL, in.shape());
  }

  private static OnnxValue[] countNgrams(Call call) {
    long[] starts = call.integersOf("ngram_counts");
    long[] places = call.integersOf("ngram_indexes");
    int longest = (int) call.integer("max_gram_length");
    int shortest = (int) call.integer("min_gram_length");
    int skips = (int) call.integer("max_skip_count");
    float[] weights = call.numbers("weights");
    String mode = call.text("mode", "TF");
    List<Object> pool = new ArrayList<>(call.texts("pool_strings"));
    if (pool.isEmpty()) {
      for (long each : call.integers("pool_int64s", new long[0])) {
        pool.add(each);
      }
    }
    Map<List<Object>, Integer> grams = new HashMap<>();
    int number = 0;
    for (int n = 1; n <= starts.length; n++) {
      int end = n < starts.length ? (int) starts[n] : pool.size();
      for (int at = (int) starts[n - 1]; at + n <= end; at += n, number++) {
        if (n >= shortest && n <= longest) {
          grams.put(List.copyOf(pool.subList(at, at + n)), number);
        }
      }
    }
    int width = 0;
    for (long place : places) {
      width = Math.max(width, (int) place + 1);
    }
    Shape shape = ShapeOps.shapeOf(call);
    List<Object> words = new ArrayList<>();
    if (call.value(0) instanceof OnnxValue.Strings strings) {
      words.addAll(strings.elements());
    } else {
      for (long each : call.longs(0)) {
        words.add(each);
      }
    }
    int rows = shape.rank() == 2 ? shape.intDim(0) : 1;
    int length = words.size() / Math.max(1, rows);
    double[] counts = new double[rows * width];
    for (int row = 0; row < rows; row++) {
      List<Object> line = words.subList(row * length, (row + 1) * length);
      for (int n = shortest; n <= longest; n++) {
        // Single words have nothing to skip between them.
        for (int step = 1; step <= (n == 1 ? 1 : skips + 1); step++) {
          for (int at = 0; at + (n - 1) * step < length; at++) {
            List<Object> gram = new ArrayList<>();
            for (int i = 0; i < n; i++) {
              gram.add(line.get(at + i * step));
            }
            Integer found = grams.get(gram);
            if (found != null) {
              counts[row * width + (int) places[found]]++;
            }
          }
        }
      }
    }
    for (int i = 0; i < places.length && !mode.equals("TF"); i++) {
      double weight = weights == null ? 1 : weights[i];
      for (int row = 0; row < rows; row++) {
        int at = row * width + (int) places[i];
        counts[at] = (mode.equals("IDF") ? Math.min(1, counts[at]) : counts[at]) * weight;
      }
    }
    Shape result = shape.rank() == 2 ? Shape.of(rows, width) : Shape.of(width);
    return OnnxValue.all(OnnxValue.doubles(DType.F32, result, counts));
  }
}
