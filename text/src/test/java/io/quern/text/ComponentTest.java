package io.quern.text;

import static io.quern.text.Examples.bertNormalizer;
import static io.quern.text.Examples.byteLevel;
import static io.quern.text.Examples.component;
import static io.quern.text.Examples.metaspace;
import static io.quern.text.Examples.replace;
import static io.quern.text.Examples.split;
import static io.quern.text.Examples.steps;

import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Each component beside the oracle, with a model that shows the bytes it is given. */
class ComponentTest {
  private static final List<String> LINES = Corpus.lines(250, 11);

  static Stream<Map<String, ?>> normalizers() {
    return Stream.of(
        component("NFC"),
        component("NFD"),
        component("NFKC"),
        component("NFKD"),
        component("Lowercase"),
        component("StripAccents"),
        component("Nmt"),
        component("ByteLevel"),
        component("Strip", "strip_left", true, "strip_right", false),
        component("Strip", "strip_left", false, "strip_right", true),
        component("Prepend", "prepend", "▁x"),
        replace("o", "öö"),
        replace("th", ""),
        component("Replace", "pattern", Map.of("Regex", "\\w+"), "content", "w"),
        component("Replace", "pattern", Map.of("Regex", "^"), "content", "^"),
        component("Replace", "pattern", Map.of("Regex", "$"), "content", "$$"),
        component("Replace", "pattern", Map.of("Regex", "x*"), "content", "-"),
        component("Replace", "pattern", Map.of("Regex", "(?<=\\p{Lu})."), "content", "_"),
        component("Precompiled", "precompiled_charsmap", Charsmaps.example()),
        bertNormalizer(true, false, false, false),
        bertNormalizer(false, true, false, false),
        bertNormalizer(false, false, true, false),
        bertNormalizer(false, false, false, true),
        bertNormalizer(true, true, null, true),
        bertNormalizer(true, true, false, true),
        steps("normalizers"),
        steps(
            "normalizers",
            component("NFD"),
            component("StripAccents"),
            component("NFC"),
            component("Prepend", "prepend", "a")));
  }

  @ParameterizedTest
  @MethodSource("normalizers")
  void normalizesAsTheOracle(Map<String, ?> normalizer) {
    Comparison.encodings(Examples.componentFile(normalizer, component("WhitespaceSplit")), LINES);
  }

  static Stream<Map<String, ?>> preTokenizers() {
    Stream<Map<String, ?>> behaviors =
        Stream.of("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")
            .flatMap(
                behavior ->
                    Stream.of(
                        component("Punctuation", "behavior", behavior),
                        split("\\s|\\d+", behavior, false),
                        split("\\w+", behavior, true),
                        split("", behavior, false),
                        split("e?", behavior, true),
                        split("(?i:[st])", behavior, false)));
    Stream<Map<String, ?>> others =
        Stream.of(
            component("BertPreTokenizer"),
            component("Whitespace"),
            component("WhitespaceSplit"),
            component("Digits", "individual_digits", true),
            component("Digits", "individual_digits", false),
            component("CharDelimiterSplit", "delimiter", "e"),
            component(
                "Split",
                "pattern",
                Map.of("String", ". "),
                "behavior",
                "MergedWithNext",
                "invert",
                false),
            metaspace("always", true),
            metaspace("always", false),
            metaspace("first", true),
            metaspace("never", true),
            component("Metaspace", "replacement", "_", "add_prefix_space", true),
            component(
                "Metaspace",
                "replacement",
                "▁",
                "add_prefix_space",
                false,
                "prepend_scheme",
                "never"),
            byteLevel(true, true, true),
            byteLevel(false, true, false),
            steps("pretokenizers"),
            steps(
                "pretokenizers",
                component("Digits", "individual_digits", true),
                metaspace("first", true)),
            split("[[:alpha:]]+|\\h|[[:^space:]]", "Isolated", false),
            split("\\p{Han}+|\\p{Hiragana}|\\P{L}|\\p{^Lu}", "Isolated", false),
            split("^.|.$|\\b", "Isolated", false),
            split("[^\\W\\d_]++|(?>\\s+)(?=\\p{Lu})", "Isolated", false),
            split("[一-龥぀-ゟ゠-ヿ]+", "Isolated", false),
            split("[\\p{P}\\p{S}]?[A-Za-z]+|\\p{N}{2}", "Isolated", false));
    Stream<Map<String, ?>> classes =
        Stream.of(
                "alpha", "digit", "alnum", "upper", "lower", "space", "cntrl", "punct", "graph",
                "print", "xdigit", "blank", "word", "ascii")
            .map(name -> split("[[:" + name + ":]]|[^[:" + name + ":]\\w]", "Isolated", false));
    Stream<Map<String, ?>> escapes =
        Stream.of(
                "\\w",
                "\\W",
                "[\\w]",
                "[^\\W]",
                "\\b",
                "\\B",
                "\\d",
                "\\D",
                "\\h",
                "\\H",
                "\\R",
                "\\S",
                "\\x{1F600}",
                "\\u00E9",
                "\\v",
                "\\p{Alpha}",
                "\\p{Punct}",
                "\\p{Emoji}",
                "\\p{Greek}",
                "\\p{Letter}",
                "\\p{Cn}",
                "\\p{C}",
                "(?i)s|k",
                "a{,2}",
                "a{2,3}?",
                "(?<![\\p{L}😀]).")
            .map(name -> split(name, "Isolated", false));
    return Stream.of(behaviors, others, classes, escapes).flatMap(each -> each);
  }

  @ParameterizedTest
  @MethodSource("preTokenizers")
  void preTokenizesAsTheOracle(Map<String, ?> preTokenizer) {
    // Words are seen whole, so that the pieces show.
    String file =
        Examples.file(
            null,
            preTokenizer,
            Examples.unigramOfRuns(),
            null,
            null,
            Examples.added("hyper", ""),
            Examples.added("[MASK]", "special lstrip rstrip"));
    Comparison.encodings(file, LINES);
    Comparison.encodings(Examples.componentFile(null, preTokenizer), LINES);
  }
}
