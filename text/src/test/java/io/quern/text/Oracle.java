package io.quern.text;

import ai.djl.huggingface.tokenizers.jni.CharSpan;
import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import java.util.Arrays;
import java.util.List;

/** The Hugging Face library with a tokenizer of its own. */
final class Oracle implements AutoCloseable {
  private static final TokenizersLibrary LIBRARY = TokenizersLibrary.LIB;

  static {
    LibUtils.checkStatus();
  }

  /** What either side says about a text, all of it comparable. */
  record Answer(
      List<Integer> ids,
      List<Integer> typeIds,
      List<Integer> attention,
      List<Integer> special,
      List<Integer> starts,
      List<Integer> ends) {}

  private final long handle;

  Oracle(String json) {
    handle = LIBRARY.createTokenizerFromString(json);
  }

  @Override
  public void close() {
    LIBRARY.deleteTokenizer(handle);
  }

  Answer encode(String text, boolean special) {
    String given = sanitized(text);
    return answer(LIBRARY.encode(handle, given, special), given, given);
  }

  Answer encode(String first, String second, boolean special) {
    String given = sanitized(first);
    String givenSecond = sanitized(second);
    return answer(LIBRARY.encodeDual(handle, given, givenSecond, special), given, givenSecond);
  }

  List<Answer> encodeBatch(List<String> texts) {
    String[] given = texts.stream().map(Oracle::sanitized).toArray(String[]::new);
    long[] encodings = LIBRARY.batchEncode(handle, given, true);
    return java.util.stream.IntStream.range(0, given.length)
        .mapToObj(i -> answer(encodings[i], given[i], given[i]))
        .toList();
  }

  String decode(int[] ids, boolean skipSpecial) {
    return LIBRARY.decode(handle, Arrays.stream(ids).asLongStream().toArray(), skipSpecial);
  }

  /** The number of pieces that the text is cut into. */
  int pieces(String text) {
    long encoding = LIBRARY.encode(handle, sanitized(text), false);
    long[] words = LIBRARY.getWordIds(encoding);
    LIBRARY.deleteEncoding(encoding);
    return (int) Arrays.stream(words).distinct().count();
  }

  private static Answer answer(long encoding, String first, String second) {
    CharSpan[] spans = LIBRARY.getTokenCharSpans(encoding);
    long[] sequences = LIBRARY.getSequenceIds(encoding);
    Integer[] starts = new Integer[spans.length];
    Integer[] ends = new Integer[spans.length];
    int[] firstIndices = indices(first);
    int[] secondIndices = second.equals(first) ? firstIndices : indices(second);
    for (int i = 0; i < spans.length; i++) {
      int[] indices = sequences[i] == 1 ? secondIndices : firstIndices;
      starts[i] = spans[i] == null ? 0 : indices[spans[i].getStart()];
      ends[i] = spans[i] == null ? 0 : indices[spans[i].getEnd()];
    }
    Answer answer =
        new Answer(
            list(LIBRARY.getTokenIds(encoding)),
            list(LIBRARY.getTypeIds(encoding)),
            list(LIBRARY.getAttentionMask(encoding)),
            list(LIBRARY.getSpecialTokenMask(encoding)),
            List.of(starts),
            List.of(ends));
    LIBRARY.deleteEncoding(encoding);
    return answer;
  }

  /** Of each code point, its index in UTF-16; the library counts code points. */
  private static int[] indices(String text) {
    int[] indices = new int[text.codePointCount(0, text.length()) + 1];
    int at = 0;
    for (int i = 0; i < text.length(); i += Character.charCount(text.codePointAt(i))) {
      indices[at++] = i;
    }
    indices[at] = text.length();
    return indices;
  }

  private static List<Integer> list(long[] values) {
    return Arrays.stream(values).mapToObj(Math::toIntExact).toList();
  }

  /**
   * With unpaired surrogates replaced. JNI hands strings over in a kind of UTF-8 that has them,
   * which the library does not read.
   */
  static String sanitized(String text) {
    return text.codePoints()
        .map(c -> c >= 0xD800 && c < 0xE000 ? 0xFFFD : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /** What our tokenizer says, in the same form. */
  static Answer answer(Encoding encoding) {
    int size = encoding.size();
    return new Answer(
        list(encoding.ids()),
        list(encoding.typeIds()),
        list(encoding.attentionMask()),
        list(encoding.specialTokensMask()),
        java.util.stream.IntStream.range(0, size).mapToObj(encoding::start).toList(),
        java.util.stream.IntStream.range(0, size).mapToObj(encoding::end).toList());
  }

  private static List<Integer> list(int[] values) {
    return Arrays.stream(values).boxed().toList();
  }
}
