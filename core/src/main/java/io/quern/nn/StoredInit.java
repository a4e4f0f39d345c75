package io.quern.nn;

import io.quern.DType;
import io.quern.Shape;
import io.quern.Tensor;
import io.quern.io.Safetensors;
import io.quern.op.TensorSpec;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Gives layers the weights of a file. What does not fit is noted, so that all problems can be told
 * at once; the layer gets an empty tensor then, and nothing is allocated for sizes that a hostile
 * file claims.
 */
final class StoredInit extends Init {
  private final Safetensors file;
  private final String prefix;
  private final Set<String> used;
  private final List<String> problems;

  StoredInit(Safetensors file, List<String> problems) {
    this(file, "", new LinkedHashSet<>(), problems);
  }

  private StoredInit(Safetensors file, String prefix, Set<String> used, List<String> problems) {
    this.file = file;
    this.prefix = prefix;
    this.used = used;
    this.problems = problems;
  }

  @Override
  Init inner(String name) {
    return new StoredInit(file, prefix + name + ".", used, problems);
  }

  @Override
  Tensor uniform(String name, double bound, long... shape) {
    return find(name, new TensorSpec(DType.F32, Shape.of(shape)));
  }

  @Override
  Tensor normal(String name, long... shape) {
    return find(name, new TensorSpec(DType.F32, Shape.of(shape)));
  }

  @Override
  Tensor constant(String name, double value, TensorSpec spec) {
    return find(name, spec);
  }

  private Tensor find(String name, TensorSpec spec) {
    String full = prefix + name;
    Safetensors.Entry entry = file.entries().get(full);
    used.add(full);
    if (entry == null) {
      problems.add("missing " + full + " " + spec);
      return Tensor.zeros(0);
    }
    boolean sameKind =
        entry.dtype().filter(found -> found == spec.dtype() || bothFloat(found, spec)).isPresent();
    if (!sameKind || !entry.shape().equals(spec.shape())) {
      problems.add(full + ": expected " + spec + ", found " + entry.type() + entry.shape());
      return Tensor.zeros(0);
    }
    return file.tensor(full);
  }

  private static boolean bothFloat(DType found, TensorSpec spec) {
    return found.isFloat() && spec.dtype().isFloat();
  }

  /** Notes the tensors of the file that no layer has asked for. */
  void noteUnused() {
    for (String name : file.entries().keySet()) {
      if (!used.contains(name)) {
        problems.add("unexpected " + name);
      }
    }
  }
}
