package io.quern.text;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** What the benchmarks do: tokenizer files, and texts to tokenize. */
public final class TokenizerWork {
  private TokenizerWork() {}

  /** The tokenizer file of a model: {@code wordpiece}, {@code bpe} or {@code unigram}. */
  public static String file(String model) {
    return switch (model) {
      case "wordpiece" -> Examples.bge();
      case "bpe" -> Examples.named("llama3", lines("prose"));
      case "unigram" -> Examples.named("xlm-roberta", lines("prose"));
      default -> throw new IllegalArgumentException(model);
    };
  }

  /**
   * Lines of text: {@code prose} is English, from the licences that come with the JDK, {@code
   * mixed} is of all languages.
   */
  public static List<String> lines(String text) {
    return text.equals("mixed") ? Corpus.lines(1000, 5) : prose();
  }

  private static List<String> prose() {
    Path legal = Path.of(System.getProperty("java.home"), "legal");
    try (Stream<Path> files = Files.walk(legal)) {
      return files
          .filter(file -> file.toString().endsWith(".md") && Files.isRegularFile(file))
          .sorted()
          .flatMap(TokenizerWork::paragraphs)
          .distinct()
          .limit(1000)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Stream<String> paragraphs(Path file) {
    try {
      return Stream.of(Files.readString(file).split("\n\n"))
          .map(paragraph -> paragraph.replaceAll("\\s+", " ").strip())
          .filter(paragraph -> paragraph.length() > 100);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
