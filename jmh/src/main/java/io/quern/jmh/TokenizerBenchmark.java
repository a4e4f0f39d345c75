package io.quern.jmh;

import io.quern.text.Tokenizer;
import io.quern.text.TokenizerWork;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.Warmup;

/** Texts to ids, one after the other. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class TokenizerBenchmark {
  /** The kind of tokenizer. */
  @Param({"wordpiece", "bpe", "unigram"})
  public String model;

  /** {@code prose} is English, {@code mixed} of all languages. */
  @Param({"prose", "mixed"})
  public String text;

  /** Threads; the work is one text after the other. */
  @Param("1")
  public int workers;

  private Tokenizer tokenizer;
  private List<String> lines;

  /** Bytes of all texts in UTF-8. */
  static double bytes(String text) {
    return TokenizerWork.lines(text).stream()
        .mapToInt(line -> line.getBytes(StandardCharsets.UTF_8).length)
        .sum();
  }

  /** Reads the tokenizer. */
  @Setup(Level.Trial)
  public void setUp() {
    tokenizer = Tokenizer.parse(TokenizerWork.file(model));
    lines = TokenizerWork.lines(text);
  }

  /** Encodes all texts. */
  @Benchmark
  public int quern() {
    int tokens = 0;
    for (String line : lines) {
      tokens += tokenizer.encode(line).ids().length;
    }
    return tokens;
  }
}
