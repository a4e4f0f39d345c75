package io.quern.cuda.ptx;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.DType;
import io.quern.backend.Formulas;
import io.quern.conformance.Sample;
import io.quern.gpu.Chain;
import io.quern.gpu.ChainWriter;
import io.quern.op.Binary;
import io.quern.op.ScalarProgram;
import io.quern.op.Unary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import jcuda.nvptxcompiler.JNvPTXCompiler;
import jcuda.nvptxcompiler.nvPTXCompilerHandle;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** All PTX, generated and shipped, is assembled by NVIDIA's assembler, which JCuda brings. */
class PtxTest {
  private static final Path SOURCES = Path.of("src/main/cuda");
  private static final Path PTX = Path.of("src/main/resources/io/quern/cuda");

  /** One of so many kernels of a file is assembled in every build. */
  private static final int OF_KERNELS = 8;

  private static final Pattern TARGET = Pattern.compile("^\\.target sm_(\\w+)$", Pattern.MULTILINE);

  static Stream<String> files() throws IOException {
    return sources(".cu").stream().map(name -> name.substring(0, name.length() - 3));
  }

  private static List<String> sources(String ending) throws IOException {
    try (Stream<Path> sources = Files.list(SOURCES)) {
      return sources
          .map(path -> path.getFileName().toString())
          .filter(name -> name.endsWith(ending))
          .sorted()
          .toList();
    }
  }

  @ParameterizedTest
  @MethodSource("files")
  void shippedPtxIsOfTheseSources(String name) throws Exception {
    MessageDigest digest = MessageDigest.getInstance("SHA-256");
    for (String header : sources(".cuh")) {
      digest.update(Files.readAllBytes(SOURCES.resolve(header)));
    }
    digest.update(Files.readAllBytes(SOURCES.resolve(name + ".cu")));
    String first = Files.readAllLines(PTX.resolve(name + ".ptx")).getFirst();
    assertThat(first)
        .as("run kernels-cuda/build-ptx, %s.cu has changed", name)
        .startsWith("// sources " + HexFormat.of().formatHex(digest.digest()));
  }

  /** Files as a whole were assembled by build-ptx: here it is kernels, each with what it needs. */
  @ParameterizedTest
  @MethodSource("files")
  void shippedPtxAssembles(String name) throws IOException {
    String text = Files.readString(PTX.resolve(name + ".ptx"));
    String version = "6.3";
    String target = "75";
    if (name.endsWith("_hopper")) {
      version = "8.0";
      target = "90a";
    } else if (isAmpere(name)) {
      version = "7.0";
      target = "80";
    }
    assertThat(text).contains(".version " + version + "\n", ".target sm_" + target + "\n");
    PtxKernels kernels = PtxKernels.of(text);
    List<String> names = kernels.names();
    assertThat(names).isNotEmpty().doesNotHaveDuplicates();
    for (int i = 0; i < names.size(); i++) {
      if (Sample.has(i, OF_KERNELS)) {
        assemble(kernels.only(names.get(i)).orElseThrow());
      }
    }
  }

  /** Kernels are loaded one by one: each has all that it needs, and nothing of another. */
  @Test
  void kernelsAreToldApart() {
    String text =
        """
        .version 6.3
        .const .b32 ONE = {1};
        .visible .entry first(
        )
        .maxntid 128, 1, 1
        {
          // }
          { // {
          }
        }
        .func helper() { ret; }
        .visible .entry second() { ret; }
        .const .b32 TWO = {2};
        """;
    PtxKernels kernels = PtxKernels.of(text);
    assertThat(kernels.names()).containsExactly("first", "second");
    assertThat(kernels.only("third")).isEmpty();
    assertThat(kernels.only("second").orElseThrow())
        .isEqualTo(
            """
            .version 6.3
            .const .b32 ONE = {1};

            .func helper() { ret; }
            .visible .entry second() { ret; }
            .const .b32 TWO = {2};
            """);
  }

  private static boolean isAmpere(String file) {
    return file.endsWith("_ampere");
  }

  /** Each text for the chip that it names, the oldest that gets it. */
  @Test
  void generatedPtxAssembles() {
    List<ScalarProgram> programs = new ArrayList<>();
    for (Unary.Fn fn : Unary.Fn.values()) {
      programs.add(new ScalarProgram(1, List.of(new ScalarProgram.Apply1(fn, 0))));
    }
    for (Binary.Fn fn : Binary.Fn.values()) {
      programs.add(
          new ScalarProgram(
              2, List.of(new ScalarProgram.Literal(3), new ScalarProgram.Apply2(fn, 0, 1))));
    }
    programs.removeIf(program -> !Formulas.cover(program));
    assertThat(programs).hasSize(Unary.Fn.values().length + Binary.Fn.values().length - 3);
    List<Chain> chains = new ArrayList<>();
    for (ScalarProgram program : programs) {
      chains.add(chain(program, DType.F32, DType.F32));
    }
    for (DType dtype : List.of(DType.F32, DType.F16, DType.BF16)) {
      for (DType from : List.of(DType.F32, DType.F16, DType.BF16)) {
        chains.add(chain(programs.getFirst(), from, dtype));
      }
    }
    Set<String> texts = new LinkedHashSet<>();
    for (Chain chain : chains) {
      texts.addAll(texts(chain, 75));
      texts.addAll(texts(chain, 90));
    }
    assertThat(texts).extracting(PtxTest::target).contains("75", "80");
    for (String text : texts) {
      assemble(text);
    }
  }

  private static Chain chain(ScalarProgram program, DType input, DType output) {
    return new Chain(program, Collections.nCopies(program.inputs(), input), output);
  }

  private static List<String> texts(Chain chain, int capability) {
    ChainWriter writer = ChainPtx.writer(capability);
    boolean[] none = new boolean[chain.count()];
    boolean[] scalar = none.clone();
    scalar[0] = true;
    return List.of(
        writer.dense(chain, none, 1),
        writer.dense(chain, none, writer.runs()),
        writer.strided(chain, 3),
        writer.rows(chain, 2, none),
        writer.dense(chain, scalar, 1));
  }

  private static String target(String text) {
    return TARGET.matcher(text).results().findFirst().orElseThrow().group(1);
  }

  /** Whether text is taken does not depend on the level; build-ptx assembles at the highest. */
  private static void assemble(String text) {
    nvPTXCompilerHandle compiler = new nvPTXCompilerHandle();
    byte[] bytes = (text + "\0").getBytes(StandardCharsets.US_ASCII);
    assertThat(JNvPTXCompiler.nvPTXCompilerCreate(compiler, bytes.length, bytes)).isZero();
    String[] options = {"--gpu-name=sm_" + target(text), "--opt-level=0"};
    int error = JNvPTXCompiler.nvPTXCompilerCompile(compiler, options.length, options);
    long[] size = new long[1];
    JNvPTXCompiler.nvPTXCompilerGetErrorLogSize(compiler, size);
    byte[] log = new byte[(int) size[0] + 1];
    JNvPTXCompiler.nvPTXCompilerGetErrorLog(compiler, log);
    assertThat(error)
        .as("%s%n%s", new String(log, StandardCharsets.US_ASCII).strip(), text)
        .isZero();
    JNvPTXCompiler.nvPTXCompilerDestroy(compiler);
  }

  /**
   * Registers that are spilled to memory are slow. Known are those of attention, where its products
   * leave few, and of products in one of the ways to find their operands.
   */
  @Test
  void kernelsKeepToTheirBudgets() throws IOException {
    Map<String, Integer> spilled = new TreeMap<>();
    for (String line : Files.readAllLines(SOURCES.resolve("budgets.txt"))) {
      String[] words = line.split(" ", 4);
      spilled.put(words[0], Integer.parseInt(words[2]));
      assertThat(Integer.parseInt(words[1])).as(line).isBetween(1, 255);
      assertThat(Integer.parseInt(words[3])).as(line).isLessThanOrEqualTo(48 << 10);
    }
    Set<String> kernels = new TreeSet<>();
    for (String name : files().toList()) {
      Pattern.compile("\\.entry (\\w+)\\(")
          .matcher(Files.readString(PTX.resolve(name + ".ptx")))
          .results()
          .forEach(entry -> kernels.add(entry.group(1) + (isAmpere(name) ? "_ampere" : "")));
    }
    assertThat(spilled.keySet()).as("run kernels-cuda/build-ptx").isEqualTo(kernels);
    spilled.values().removeIf(bytes -> bytes == 0);
    assertThat(spilled)
        .isEqualTo(
            Map.ofEntries(
                Map.entry("attention_128x128_f32", 500),
                Map.entry("attention_key_grad_128_f32", 100),
                Map.entry("attention_mma_key_grad_128_f32_ampere", 28),
                Map.entry("attention_64_masked_bf16", 144),
                Map.entry("attention_64_masked_f16", 144),
                Map.entry("attention_128_masked_bf16", 40),
                Map.entry("attention_128_masked_f16", 40),
                Map.entry("attention_key_grad_128_bf16", 76),
                Map.entry("attention_key_grad_128_masked_bf16", 252),
                Map.entry("attention_query_grad_128_bf16", 84),
                Map.entry("attention_query_grad_128_masked_bf16", 52),
                Map.entry("matmul_128_finish_f32_ampere", 12),
                Map.entry("matmul_tn_bf16", 4),
                Map.entry("matmul_tn_f16", 4)));
  }

  @Test
  void generatedPtxDependsOnTheChainAlone() {
    ScalarProgram program =
        new ScalarProgram(1, List.of(new ScalarProgram.Apply1(Unary.Fn.NEG, 0)));
    ChainWriter writer = ChainPtx.writer(75);
    Chain chain = chain(program, DType.F32, DType.F32);
    assertThat(writer.strided(chain, 2)).isEqualTo(writer.strided(chain, 2));
    assertThat(writer.strided(chain, 2)).isNotEqualTo(writer.strided(chain, 3));
  }
}
