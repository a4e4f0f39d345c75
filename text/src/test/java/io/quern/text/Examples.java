package io.quern.text;

import io.quern.json.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Tokenizer files: two that are real, and others built the way those of well-known models are. */
final class Examples {
  /** Text to learn from, not that to test with. */
  private static final List<String> TRAINING = Corpus.lines(600, 77);

  private static final Map<String, String> MADE = new ConcurrentHashMap<>();

  private static final String CL100K =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private static final String O200K =
      "[^\\r"
          + "\\n"
          + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r"
          + "\\n"
          + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+"
          + "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}|"
          + " ?[^\\s\\p{L}\\p{N}]+[\\r"
          + "\\n"
          + "/]*|\\s*[\\r"
          + "\\n"
          + "]+|\\s+(?!\\S)|\\s+";

  private Examples() {}

  /** A file of one of the jars on the test class path. */
  static String resource(String name) {
    try (InputStream in = Examples.class.getResourceAsStream("/" + name)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static String miniLm() {
    return resource("all-minilm-l6-v2-q-tokenizer.json");
  }

  static String bge() {
    return resource("bge-small-en-v1.5-q-tokenizer.json");
  }

  /** A component; arguments are names and values in turns. */
  static Map<String, @Nullable Object> component(String type, @Nullable Object... members) {
    Map<String, @Nullable Object> map = new LinkedHashMap<>();
    map.put("type", type);
    for (int i = 0; i < members.length; i += 2) {
      map.put((String) members[i], members[i + 1]);
    }
    return map;
  }

  /** A file with these components, some of which may be null. */
  static String file(
      @Nullable Object normalizer,
      @Nullable Object preTokenizer,
      @Nullable Object model,
      @Nullable Object postProcessor,
      @Nullable Object decoder,
      Object... added) {
    Map<String, @Nullable Object> file = new LinkedHashMap<>();
    file.put("version", "1.0");
    file.put("truncation", null);
    file.put("padding", null);
    file.put("added_tokens", List.of(added));
    file.put("normalizer", normalizer);
    file.put("pre_tokenizer", preTokenizer);
    file.put("post_processor", postProcessor);
    file.put("decoder", decoder);
    file.put("model", model);
    return Json.write(file);
  }

  /** A token that is looked for; {@code flags} has those of the names below that are true. */
  static Map<String, Object> added(String content, String flags) {
    Map<String, Object> token = new LinkedHashMap<>();
    token.put("id", 0);
    token.put("content", content);
    for (String name : List.of("single_word", "lstrip", "rstrip", "normalized", "special")) {
      token.put(name, flags.contains(name));
    }
    return token;
  }

  static Map<String, @Nullable Object> bpe(Trainer.Bpe bpe, @Nullable Object... members) {
    Map<String, @Nullable Object> model =
        component(
            "BPE",
            "dropout",
            null,
            "unk_token",
            null,
            "continuing_subword_prefix",
            null,
            "end_of_word_suffix",
            null,
            "fuse_unk",
            false,
            "byte_fallback",
            false,
            "ignore_merges",
            false);
    for (int i = 0; i < members.length; i += 2) {
      model.put((String) members[i], members[i + 1]);
    }
    model.put("vocab", bpe.vocabulary());
    model.put("merges", bpe.merges());
    return model;
  }

  /** A model whose ids are the bytes of what it is given, so that all of it can be seen. */
  static Map<String, @Nullable Object> bytes() {
    return bpe(new Trainer.Bpe(Trainer.byteTokens(), List.of()), "byte_fallback", true);
  }

  static String componentFile(@Nullable Object normalizer, @Nullable Object preTokenizer) {
    return file(normalizer, preTokenizer, bytes(), null, null);
  }

  static Map<String, @Nullable Object> byteLevel(boolean prefix, boolean trim, boolean regex) {
    return component(
        "ByteLevel", "add_prefix_space", prefix, "trim_offsets", trim, "use_regex", regex);
  }

  static Map<String, @Nullable Object> split(String regex, String behavior, boolean invert) {
    return component(
        "Split", "pattern", Map.of("Regex", regex), "behavior", behavior, "invert", invert);
  }

  static Map<String, @Nullable Object> replace(String literal, String content) {
    return component("Replace", "pattern", Map.of("String", literal), "content", content);
  }

  static Map<String, @Nullable Object> metaspace(String scheme, boolean split) {
    return component("Metaspace", "replacement", "▁", "prepend_scheme", scheme, "split", split);
  }

  static Map<String, @Nullable Object> steps(String name, Object... steps) {
    return component("Sequence", name, List.of(steps));
  }

  /** {@code first A last}, and {@code first A last last B last} of types 0 and 1. */
  static Map<String, @Nullable Object> template(
      String first, int firstId, String last, int lastId) {
    return component(
        "TemplateProcessing",
        "single",
        List.of(special(first, 0), sequence("A", 0), special(last, 0)),
        "pair",
        List.of(
            special(first, 0),
            sequence("A", 0),
            special(last, 0),
            special(last, 1),
            sequence("B", 1),
            special(last, 1)),
        "special_tokens",
        Map.of(
            first,
            Map.of("id", first, "ids", List.of(firstId), "tokens", List.of(first)),
            last,
            Map.of("id", last, "ids", List.of(lastId), "tokens", List.of(last))));
  }

  private static Object special(String id, int type) {
    return Map.of("SpecialToken", Map.of("id", id, "type_id", type));
  }

  private static Object sequence(String id, int type) {
    return Map.of("Sequence", Map.of("id", id, "type_id", type));
  }

  static Map<String, @Nullable Object> bertNormalizer(
      boolean clean, boolean chinese, @Nullable Boolean accents, boolean lowercase) {
    return component(
        "BertNormalizer",
        "clean_text",
        clean,
        "handle_chinese_chars",
        chinese,
        "strip_accents",
        accents,
        "lowercase",
        lowercase);
  }

  private static Trainer.Bpe byteLevelVocabulary(List<String> training, String... first) {
    List<String> tokens = new ArrayList<>(List.of(first));
    tokens.addAll(Trainer.byteAlphabet());
    return Trainer.bpe(Trainer.byteLevelWords(training), tokens, "", "", 1500);
  }

  /** Half of the characters are in the vocabulary; the others are bytes. */
  private static Trainer.Bpe spacedVocabulary(List<String> training) {
    List<String> tokens = new ArrayList<>(List.of("<unk>", "<s>", "</s>"));
    tokens.addAll(Trainer.byteTokens());
    return Trainer.bpe(Trainer.spacedWords(training.subList(0, 200)), tokens, "", "", 1500);
  }

  /** The names of all that follow. */
  static Stream<String> names() {
    return Stream.of(
        "minilm",
        "bge",
        "gpt2",
        "roberta",
        "llama3",
        "o200k",
        "qwen2",
        "clip",
        "llama2",
        "mistral",
        "gemma",
        "xlm-roberta",
        "albert",
        "nmt",
        "bert-cased",
        "continuing",
        "words");
  }

  /** The file of a name. */
  static String named(String name) {
    return MADE.computeIfAbsent(name, each -> named(each, TRAINING));
  }

  /** The file of a name, with a vocabulary that is learned from some lines. */
  static String named(String name, List<String> training) {
    return switch (name) {
      case "minilm" -> miniLm();
      case "bge" -> bge();
      case "gpt2" ->
          file(
              null,
              byteLevel(false, true, true),
              bpe(byteLevelVocabulary(training)),
              byteLevel(true, true, true),
              byteLevel(true, true, true),
              added("<|endoftext|>", "special normalized"));
      case "roberta" ->
          file(
              null,
              byteLevel(true, true, true),
              bpe(byteLevelVocabulary(training, "<s>", "<pad>", "</s>", "<unk>")),
              component(
                  "RobertaProcessing",
                  "sep",
                  List.of("</s>", 2),
                  "cls",
                  List.of("<s>", 0),
                  "trim_offsets",
                  true,
                  "add_prefix_space",
                  true),
              byteLevel(true, true, true),
              added("<s>", "special normalized"),
              added("</s>", "special normalized"),
              added("<mask>", "special lstrip"));
      case "llama3" ->
          file(
              null,
              steps(
                  "pretokenizers", split(CL100K, "Isolated", false), byteLevel(false, true, false)),
              bpe(byteLevelVocabulary(training, "<s>", "</s>"), "ignore_merges", true),
              steps("processors", byteLevel(true, false, true), template("<s>", 0, "</s>", 1)),
              byteLevel(true, true, true),
              added("<|im_start|>", "special"));
      case "o200k" ->
          file(
              null,
              steps("pretokenizers", split(O200K, "Removed", true), byteLevel(false, true, false)),
              bpe(byteLevelVocabulary(training)),
              byteLevel(false, true, true),
              byteLevel(true, true, true),
              added("<|im_start|>", "special rstrip"),
              added("newtok", ""));
      case "qwen2" ->
          file(
              component("NFC"),
              steps(
                  "pretokenizers",
                  split(CL100K.replace("{1,3}", ""), "Isolated", false),
                  byteLevel(false, false, false)),
              bpe(byteLevelVocabulary(training)),
              byteLevel(false, false, false),
              byteLevel(false, false, false),
              added("<|endoftext|>", "special"));
      case "clip" -> clip();
      case "llama2" ->
          file(
              steps("normalizers", component("Prepend", "prepend", "▁"), replace(" ", "▁")),
              null,
              bpe(
                  spacedVocabulary(training),
                  "unk_token",
                  "<unk>",
                  "fuse_unk",
                  true,
                  "byte_fallback",
                  true),
              template("<s>", 1, "</s>", 2),
              steps(
                  "decoders",
                  replace("▁", " "),
                  component("ByteFallback"),
                  component("Fuse"),
                  component("Strip", "content", " ", "start", 1, "stop", 0)),
              added("<s>", "special"),
              added("</s>", "special"));
      case "mistral" ->
          file(
              null,
              metaspace("first", false),
              bpe(spacedVocabulary(training), "unk_token", "<unk>", "fuse_unk", true),
              template("<s>", 1, "</s>", 2),
              metaspace("first", false),
              added("<s>", "special"),
              added("newtok", "normalized single_word"));
      case "gemma" ->
          file(
              replace(" ", "▁"),
              component(
                  "Split",
                  "pattern",
                  Map.of("String", " "),
                  "behavior",
                  "MergedWithPrevious",
                  "invert",
                  false),
              bpe(spacedVocabulary(training), "unk_token", "<unk>", "byte_fallback", true),
              template("<s>", 1, "</s>", 2),
              steps("decoders", replace("▁", " "), component("ByteFallback"), component("Fuse")),
              added("<s>", "special"));
      case "xlm-roberta" ->
          file(
              component("Precompiled", "precompiled_charsmap", Charsmaps.example()),
              steps("pretokenizers", component("WhitespaceSplit"), metaspace("always", true)),
              unigram(training, false),
              template("<s>", 1, "</s>", 2),
              metaspace("always", true),
              added("<s>", "special"),
              added("<mask>", "special lstrip"));
      case "albert" ->
          file(
              steps(
                  "normalizers",
                  replace("``", "\""),
                  component("NFKD"),
                  component("StripAccents"),
                  component("Lowercase"),
                  component("Precompiled", "precompiled_charsmap", Charsmaps.example())),
              metaspace("always", true),
              unigram(training, true),
              template("<s>", 1, "</s>", 2),
              metaspace("always", true),
              added("NewTok", "normalized"));
      case "nmt" ->
          file(
              steps(
                  "normalizers",
                  component("Nmt"),
                  component("NFKC"),
                  component("Replace", "pattern", Map.of("Regex", " {2,}"), "content", " "),
                  component("Strip", "strip_left", true, "strip_right", true)),
              metaspace("first", true),
              unigram(training, true),
              null,
              metaspace("never", true));
      case "bert-cased" -> bertCased();
      case "continuing" ->
          file(
              component("NFKC"),
              component("BertPreTokenizer"),
              bpe(
                  Trainer.bpe(words(), List.of("[UNK]"), "##", "", 800),
                  "unk_token",
                  "[UNK]",
                  "continuing_subword_prefix",
                  "##"),
              component("BertProcessing", "sep", List.of("[SEP]", 3), "cls", List.of("[CLS]", 2)),
              component("WordPiece", "prefix", "##", "cleanup", false));
      case "words" ->
          file(
              component("Lowercase"),
              component("Whitespace"),
              component(
                  "WordLevel",
                  "vocab",
                  Trainer.bpe(List.of("x"), words(), "", "", 0).vocabulary(),
                  "unk_token",
                  "the"),
              null,
              null,
              added("newtok", "normalized lstrip rstrip"));
      default -> throw new IllegalArgumentException(name);
    };
  }

  private static List<String> words() {
    return Trainer.spacedWords(TRAINING).stream()
        .map(word -> word.substring(1))
        .filter(word -> !word.isEmpty())
        .toList();
  }

  private static String clip() {
    List<String> words = Trainer.byteLevelWords(TRAINING.subList(0, 300));
    List<String> first = new ArrayList<>(Trainer.byteAlphabet());
    Trainer.byteAlphabet().forEach(symbol -> first.add(symbol + "</w>"));
    first.add("<unk>");
    return file(
        steps(
            "normalizers",
            component("NFC"),
            component("Replace", "pattern", Map.of("Regex", "\\s+"), "content", " "),
            component("Lowercase")),
        steps(
            "pretokenizers",
            split(
                "'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", "Removed", true),
            byteLevel(false, true, false)),
        bpe(
            Trainer.bpe(words, first, "", "</w>", 800),
            "unk_token",
            "<unk>",
            "end_of_word_suffix",
            "</w>"),
        component(
            "RobertaProcessing",
            "sep",
            List.of("</s>", 2),
            "cls",
            List.of("<s>", 0),
            "trim_offsets",
            false,
            "add_prefix_space",
            false),
        component("BPEDecoder", "suffix", "</w>"));
  }

  private static String bertCased() {
    Map<String, Object> vocabulary =
        Trainer.bpe(words(), List.of("[UNK]", "[CLS]", "[SEP]"), "##", "", 800).vocabulary();
    return file(
        bertNormalizer(true, true, null, false),
        component("BertPreTokenizer"),
        component(
            "WordPiece",
            "unk_token",
            "[UNK]",
            "continuing_subword_prefix",
            "##",
            "max_input_chars_per_word",
            10,
            "vocab",
            vocabulary),
        component("BertProcessing", "sep", List.of("[SEP]", 2), "cls", List.of("[CLS]", 1)),
        component("WordPiece", "prefix", "##", "cleanup", true),
        added("[CLS]", "special"),
        added("[MASK]", "special lstrip single_word"));
  }

  private static Map<String, @Nullable Object> unigram(List<String> training, boolean fallback) {
    List<String> tokens = spacedVocabulary(training).tokens();
    return component(
        "Unigram", "unk_id", 0, "vocab", Trainer.scores(tokens, 5), "byte_fallback", fallback);
  }

  /** A model without tokens for most characters, which makes each piece one unknown token. */
  static Map<String, @Nullable Object> unigramOfRuns() {
    return component(
        "Unigram", "unk_id", 0, "vocab", List.of(List.of("<unk>", 0.0)), "byte_fallback", false);
  }
}
