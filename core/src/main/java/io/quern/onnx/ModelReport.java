package io.quern.onnx;

import java.util.List;
import java.util.Set;

/**
 * What is known of a model before it runs.
 *
 * @param unsupported operators that it needs and that there are not, with all nodes
 * @param problems what is wrong with it: names without values, unknown element types
 * @param nodeByNode why it does not run as a plan; empty when it does, as far as one can tell
 * @param operators the names of all operators that it uses
 */
public record ModelReport(
    List<Unsupported> unsupported,
    List<String> problems,
    List<String> nodeByNode,
    Set<String> operators) {
  public ModelReport {
    unsupported = List.copyOf(unsupported);
    problems = List.copyOf(problems);
    nodeByNode = List.copyOf(nodeByNode);
    operators = Set.copyOf(operators);
  }

  /**
   * An operator that is missing.
   *
   * @param domain its domain; ai.onnx if empty
   * @param version of the domain that the model asks for
   * @param nodes the nodes that need it
   */
  public record Unsupported(String domain, String op, long version, List<String> nodes) {
    public Unsupported {
      nodes = List.copyOf(nodes);
    }

    @Override
    public String toString() {
      return (domain.isEmpty() ? "" : domain + ".")
          + op
          + " (version "
          + version
          + ") in "
          + String.join(", ", nodes);
    }
  }

  /** Whether the model can run. */
  public boolean isSupported() {
    return unsupported.isEmpty() && problems.isEmpty();
  }

  /** One line for each finding. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder();
    unsupported.forEach(each -> text.append("unsupported: ").append(each).append('\n'));
    problems.forEach(each -> text.append("problem: ").append(each).append('\n'));
    nodeByNode.forEach(each -> text.append("node by node: ").append(each).append('\n'));
    return text.isEmpty() ? "supported, runs as a plan\n" : text.toString();
  }
}
