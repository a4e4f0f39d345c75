package io.quern.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.quern.Device;
import io.quern.cpu.CpuBackend;
import io.quern.cuda.CudaBackend;
import io.quern.gpu.GpuContext;
import io.quern.loader.Dataset;
import io.quern.opencl.OpenClBackend;
import io.quern.serve.ModelHandle;
import io.quern.text.Tokenizer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.PoolEntry;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Who may see whom: reads the constant pools of all classes. */
class ArchitectureTest {
  /** Packages (and single classes) that a package may refer to, besides itself. */
  private static final Map<String, Set<String>> ALLOWED =
      Map.ofEntries(
          Map.entry("io.quern.runtime", Set.of()),
          Map.entry("io.quern.op", Set.of("io.quern.Shape", "io.quern.DType")),
          Map.entry(
              "io.quern.backend",
              Set.of("io.quern.op", "io.quern.runtime", "io.quern.Shape", "io.quern.DType")),
          Map.entry(
              "io.quern.reference",
              Set.of(
                  "io.quern.backend",
                  "io.quern.op",
                  "io.quern.runtime",
                  "io.quern.Shape",
                  "io.quern.DType")),
          Map.entry(
              "io.quern.grad",
              Set.of(
                  "io.quern.op",
                  "io.quern.Tensor",
                  "io.quern.TensorScope",
                  "io.quern.Shape",
                  "io.quern.DType")),
          Map.entry(
              "io.quern",
              Set.of(
                  "io.quern.backend",
                  "io.quern.op",
                  "io.quern.grad",
                  "io.quern.graph",
                  "io.quern.plan",
                  "io.quern.reference",
                  "io.quern.runtime")),
          Map.entry(
              "io.quern.graph",
              Set.of(
                  "io.quern",
                  "io.quern.op",
                  "io.quern.backend.Buffer",
                  "io.quern.grad.Tape",
                  "io.quern.runtime.Knob")),
          Map.entry(
              "io.quern.plan",
              Set.of(
                  "io.quern",
                  "io.quern.op",
                  "io.quern.backend",
                  "io.quern.grad.Tape",
                  "io.quern.graph",
                  "io.quern.reference",
                  "io.quern.runtime")),
          Map.entry(
              "io.quern.nn",
              Set.of("io.quern", "io.quern.op", "io.quern.grad", "io.quern.io", "io.quern.json")),
          Map.entry("io.quern.optim", Set.of("io.quern", "io.quern.op", "io.quern.grad")),
          Map.entry("io.quern.json", Set.of()),
          Map.entry(
              "io.quern.io",
              Set.of("io.quern", "io.quern.op", "io.quern.grad.Tape", "io.quern.json")),
          Map.entry(
              "io.quern.onnx",
              Set.of(
                  "io.quern",
                  "io.quern.op",
                  "io.quern.backend.MappedBuffer",
                  "io.quern.grad.Tape",
                  "io.quern.graph",
                  "io.quern.plan.Compiled",
                  "io.quern.io",
                  "io.quern.nn.Module")),
          Map.entry(
              "io.quern.train",
              Set.of(
                  "io.quern",
                  "io.quern.op",
                  "io.quern.grad",
                  "io.quern.plan.Compiled",
                  "io.quern.nn",
                  "io.quern.optim",
                  "io.quern.io",
                  "io.quern.json")),
          Map.entry(
              "io.quern.cpu",
              Set.of(
                  "io.quern.backend",
                  "io.quern.op",
                  "io.quern.runtime",
                  "io.quern.Shape",
                  "io.quern.DType")),
          Map.entry(
              "io.quern.gpu",
              Set.of(
                  "io.quern.backend",
                  "io.quern.op",
                  "io.quern.runtime",
                  "io.quern.Shape",
                  "io.quern.DType")),
          Map.entry(
              "io.quern.cuda",
              Set.of(
                  "io.quern.gpu",
                  "io.quern.backend",
                  "io.quern.op",
                  "io.quern.runtime",
                  "io.quern.Shape",
                  "io.quern.DType")),
          Map.entry(
              "io.quern.opencl",
              Set.of(
                  "io.quern.gpu",
                  "io.quern.backend",
                  "io.quern.op",
                  "io.quern.runtime",
                  "io.quern.Shape",
                  "io.quern.DType")),
          Map.entry(
              "io.quern.loader",
              Set.of("io.quern", "io.quern.op", "io.quern.grad.Tape", "io.quern.runtime.Philox")),
          Map.entry(
              "io.quern.text",
              Set.of(
                  "io.quern.Device",
                  "io.quern.Tensor",
                  "io.quern.TensorScope",
                  "io.quern.Shape",
                  "io.quern.DType",
                  "io.quern.op.TensorSpec",
                  "io.quern.io.FormatException",
                  "io.quern.json",
                  "io.quern.onnx")),
          Map.entry(
              "io.quern.serve",
              Set.of(
                  "io.quern",
                  "io.quern.op",
                  "io.quern.grad.Tape",
                  "io.quern.nn.ModelFile",
                  "io.quern.nn.Module")));

  @Test
  void packagesSeeOnlyWhatTheyMay() throws IOException {
    List<String> violations = new ArrayList<>();
    for (Class<?> anchor :
        List.of(
            Device.class,
            CpuBackend.class,
            GpuContext.class,
            CudaBackend.class,
            OpenClBackend.class,
            Dataset.class,
            ModelHandle.class,
            Tokenizer.class)) {
      for (byte[] bytes : classes(anchor)) {
        var model = ClassFile.of().parse(bytes);
        String self = name(model.thisClass());
        for (PoolEntry entry : model.constantPool()) {
          if (entry instanceof ClassEntry reference && !mayRefer(self, name(reference))) {
            violations.add(self + " -> " + name(reference));
          }
        }
      }
    }
    assertThat(new TreeSet<>(violations)).isEmpty();
  }

  @Test
  void ruleFindsViolations() {
    assertThat(mayRefer("io.quern.cpu.gemm.GemmF32", "io.quern.Tensor")).isFalse();
    assertThat(mayRefer("io.quern.nn.Linear", "io.quern.backend.Kernel")).isFalse();
    assertThat(mayRefer("io.quern.op.Op", "io.quern.Tensor")).isFalse();
    assertThat(mayRefer("io.quern.cpu.gemm.GemmF32", "io.quern.runtime.Raw")).isTrue();
  }

  private static boolean mayRefer(String from, String to) {
    String home = home(from);
    if (!to.startsWith("io.quern.") || home.equals(home(to))) {
      return true;
    }
    return ALLOWED.getOrDefault(home, Set.of()).stream()
        .anyMatch(
            allowed ->
                to.equals(allowed) || home(to).equals(allowed) || to.startsWith(allowed + "$"));
  }

  /** The rule's package that a class belongs to; the backends' inner packages are one. */
  private static String home(String className) {
    String packageName = className.substring(0, className.lastIndexOf('.'));
    return List.of("io.quern.cpu", "io.quern.cuda").stream()
        .filter(packageName::startsWith)
        .findFirst()
        .orElse(packageName);
  }

  private static String name(ClassEntry entry) {
    String internal = entry.asInternalName();
    String element = internal.replaceAll("^\\[+L?|;$", "");
    return element.replace('/', '.');
  }

  private static List<byte[]> classes(Class<?> anchor) throws IOException {
    Path source =
        Path.of(URI.create(anchor.getProtectionDomain().getCodeSource().getLocation().toString()));
    if (Files.isDirectory(source)) {
      return read(source);
    }
    try (FileSystem jar = FileSystems.newFileSystem(source)) {
      return read(jar.getPath("/"));
    }
  }

  private static List<byte[]> read(Path root) throws IOException {
    try (Stream<Path> files = Files.walk(root)) {
      return files
          .filter(file -> file.toString().endsWith(".class"))
          .filter(file -> !file.endsWith("module-info.class"))
          .map(ArchitectureTest::bytes)
          .toList();
    }
  }

  private static byte[] bytes(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
