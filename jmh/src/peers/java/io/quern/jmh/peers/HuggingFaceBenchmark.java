package io.quern.jmh.peers;

import ai.djl.huggingface.tokenizers.jni.LibUtils;
import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.quern.jmh.TokenizerBenchmark;
import io.quern.text.TokenizerWork;
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
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * {@link TokenizerBenchmark} through the Rust library of Hugging Face, called without DJL's own
 * layer and asked for the ids only.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(5)
@Warmup(iterations = 5, time = 1)
@Measurement(iterations = 5, time = 1)
public class HuggingFaceBenchmark {
  private static final TokenizersLibrary LIBRARY = TokenizersLibrary.LIB;

  /** The kind of tokenizer. */
  @Param({"wordpiece", "bpe", "unigram"})
  public String model;

  /** {@code prose} is English, {@code mixed} of all languages. */
  @Param({"prose", "mixed"})
  public String text;

  /** Threads; the work is one text after the other. */
  @Param("1")
  public int workers;

  private long tokenizer;
  private List<String> lines;

  /** Reads the tokenizer. */
  @Setup(Level.Trial)
  public void setUp() {
    LibUtils.checkStatus();
    tokenizer = LIBRARY.createTokenizerFromString(TokenizerWork.file(model));
    lines = TokenizerWork.lines(text).stream().map(HuggingFaceBenchmark::paired).toList();
  }

  /** The library does not take unpaired surrogates. */
  private static String paired(String line) {
    return line.codePoints()
        .map(c -> c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE ? 0xFFFD : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }

  /** Lets go of the tokenizer. */
  @TearDown(Level.Trial)
  public void tearDown() {
    LIBRARY.deleteTokenizer(tokenizer);
  }

  /** Encodes all texts. */
  @Benchmark
  public int rust() {
    int tokens = 0;
    for (String line : lines) {
      long encoding = LIBRARY.encode(tokenizer, line, true);
      tokens += LIBRARY.getTokenIds(encoding).length;
      LIBRARY.deleteEncoding(encoding);
    }
    return tokens;
  }
}
