package io.quern.text;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/** Turns tokens back into text, step by step. */
interface Decoder {
  /** What to write for the tokens. */
  List<String> decode(List<String> tokens);

  static Decoder parse(Node node) {
    String type = node.text("type");
    return switch (type) {
      case "Sequence" -> sequence(node.list("decoders").stream().map(Decoder::parse).toList());
      case "WordPiece" -> wordPiece(node.text("prefix"), node.flag("cleanup", true));
      case "ByteLevel" -> ByteLevel::decode;
      case "Metaspace" -> Metaspace.parse(node);
      case "ByteFallback" -> Decoder::bytes;
      case "Fuse" -> tokens -> List.of(String.join("", tokens));
      case "Strip" ->
          strip(node.codePoint("content"), node.integer("start", 0), node.integer("stop", 0));
      case "BPEDecoder" -> {
        String suffix = node.text("suffix");
        yield tokens -> map(tokens, (t, i) -> t.replace(suffix, i == tokens.size() - 1 ? "" : " "));
      }
      case "Replace" -> {
        Pattern pattern = Regex.parse(node.get("pattern"));
        String content = node.text("content");
        yield tokens -> map(tokens, (token, index) -> replace(token, pattern, content));
      }
      case "CTC" ->
          ctc(
              node.text("pad_token"),
              node.text("word_delimiter_token"),
              node.flag("cleanup", true));
      default ->
          throw node.unsupported(
              "type",
              type,
              "BPEDecoder, ByteFallback, ByteLevel, CTC, Fuse, Metaspace, Replace, Sequence, Strip,"
                  + " WordPiece");
    };
  }

  /** What becomes of a token at a place. */
  interface Step {
    String apply(String token, int index);
  }

  static List<String> map(List<String> tokens, Step step) {
    List<String> result = new ArrayList<>(tokens.size());
    for (int i = 0; i < tokens.size(); i++) {
      result.add(step.apply(tokens.get(i), i));
    }
    return result;
  }

  private static Decoder sequence(List<Decoder> steps) {
    return tokens -> {
      List<String> result = tokens;
      for (Decoder step : steps) {
        result = step.decode(result);
      }
      return result;
    };
  }

  private static Decoder wordPiece(String prefix, boolean cleanup) {
    return tokens ->
        map(
            tokens,
            (token, index) -> {
              String joined =
                  index == 0
                      ? token
                      : token.startsWith(prefix) ? token.substring(prefix.length()) : " " + token;
              return cleanup ? cleanup(joined) : joined;
            });
  }

  /** Takes out the spaces that tokenizing put around punctuation and contractions of English. */
  private static String cleanup(String text) {
    return text.replace(" .", ".")
        .replace(" ?", "?")
        .replace(" !", "!")
        .replace(" ,", ",")
        .replace(" ' ", "'")
        .replace(" n't", "n't")
        .replace(" 'm", "'m")
        .replace(" do not", " don't")
        .replace(" 's", "'s")
        .replace(" 've", "'ve")
        .replace(" 're", "'re");
  }

  private static String replace(String token, Pattern pattern, String content) {
    StringBuilder result = new StringBuilder();
    int[] last = {0};
    Regex.forEach(
        pattern,
        token,
        (start, end) -> {
          result.append(token, last[0], start).append(content);
          last[0] = end;
        });
    return result.append(token, last[0], token.length()).toString();
  }

  /** Takes up to so many of a character off both ends of each token. */
  private static Decoder strip(int content, int start, int stop) {
    String strip = Character.toString(content);
    return tokens ->
        map(
            tokens,
            (token, index) -> {
              String result = token;
              for (int i = 0; i < start && result.startsWith(strip); i++) {
                result = result.substring(strip.length());
              }
              for (int i = 0; i < stop && result.endsWith(strip); i++) {
                result = result.substring(0, result.length() - strip.length());
              }
              return result;
            });
  }

  /** Joins tokens such as {@code <0xE4>} to characters; bytes that are none are U+FFFD each. */
  private static List<String> bytes(List<String> tokens) {
    Predicate<String> isByte =
        Pattern.compile("<0x(?:[0-9a-fA-F]{2}|\\+[0-9a-fA-F])>").asMatchPredicate();
    List<String> result = new ArrayList<>();
    for (int i = 0; i < tokens.size(); ) {
      int start = i;
      while (i < tokens.size() && isByte.test(tokens.get(i))) {
        i++;
      }
      if (i == start) {
        result.add(tokens.get(i++));
        continue;
      }
      ByteBuffer bytes = ByteBuffer.allocate(i - start);
      for (String token : tokens.subList(start, i)) {
        bytes.put((byte) Integer.parseInt(token.substring(3, 5), 16));
      }
      try {
        result.add(StandardCharsets.UTF_8.newDecoder().decode(bytes.flip()).toString());
      } catch (CharacterCodingException e) {
        result.addAll(Collections.nCopies(bytes.capacity(), "\uFFFD"));
      }
    }
    return result;
  }

  /** Connectionist temporal classification: repeated tokens count once, pads not at all. */
  private static Decoder ctc(String pad, String delimiter, boolean cleanup) {
    return tokens -> {
      List<String> result = new ArrayList<>();
      for (int i = 0; i < tokens.size(); i++) {
        if (i > 0 && tokens.get(i).equals(tokens.get(i - 1))) {
          continue;
        }
        String token = tokens.get(i).replace(pad, "");
        String text = cleanup ? cleanup(token).replace(delimiter, " ") : token;
        if (!text.isEmpty()) {
          result.add(text);
        }
      }
      return result;
    };
  }
}
