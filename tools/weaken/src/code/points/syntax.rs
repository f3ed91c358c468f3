//! What a piece of syntax is: an action, a condition of several parts, a type with a plain value.

use syn::visit::{self, Visit};
use syn::{BinOp, Expr, ExprBinary, Stmt, Type};

pub(super) fn has_cfg(attributes: &[syn::Attribute]) -> bool {
    let mut names = attributes.iter().map(syn::Attribute::path);
    names.any(|path| path.is_ident("cfg") || path.is_ident("test"))
}

/// Returns the values that a function of that type may return instead of doing its work.
pub(super) fn values_of(returned: &Type) -> Vec<&'static str> {
    let Type::Path(path) = returned else {
        return Vec::new();
    };
    let Some(last) = path.path.segments.last() else {
        return Vec::new();
    };
    match last.ident.to_string().as_str() {
        "bool" => vec!["true", "false"],
        "Option" => vec!["None"],
        "Poll" => vec!["::std::task::Poll::Pending"],
        "usize" | "u64" | "u32" => vec!["0"],
        "Result" => vec!["Ok(())"],
        _ => Vec::new(),
    }
}

/// Returns `true` if the expression is a complete action that can be skipped.
pub(super) fn is_act(expr: &Expr) -> bool {
    match expr {
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Assign(_) | Expr::Try(_) | Expr::Await(_) => {
            true
        }
        Expr::Binary(binary) => is_assignment(&binary.op),
        _ => false,
    }
}

pub(super) fn is_assignment(operator: &BinOp) -> bool {
    use BinOp::*;
    matches!(
        operator,
        AddAssign(_)
            | SubAssign(_)
            | MulAssign(_)
            | BitOrAssign(_)
            | BitAndAssign(_)
            | BitXorAssign(_)
            | ShlAssign(_)
            | ShrAssign(_)
    )
}

/// Returns `true` if the statement is `drop(…);`.
pub(super) fn is_drop(statement: &Stmt) -> bool {
    let Stmt::Expr(Expr::Call(call), Some(_)) = statement else {
        return false;
    };
    matches!(&*call.func, Expr::Path(path) if path.path.is_ident("drop"))
}

/// Returns `true` if the statement calls a function. The order of other statements hardly matters.
pub(super) fn does_call(statement: &Stmt) -> bool {
    struct Calls(bool);
    impl<'ast> Visit<'ast> for Calls {
        fn visit_expr_call(&mut self, call: &'ast syn::ExprCall) {
            let is_value = matches!(&*call.func, Expr::Path(path) if path.path.segments.last()
                .is_some_and(|s| s.ident.to_string().starts_with(char::is_uppercase)));
            self.0 |= !is_value;
            visit::visit_expr_call(self, call);
        }
        fn visit_expr_method_call(&mut self, _: &'ast syn::ExprMethodCall) {
            self.0 = true;
        }
    }
    let mut calls = Calls(false);
    calls.visit_stmt(statement);
    calls.0
}

/// Splits `a && b && c` or `a || b` into its parts; returns `true` for `&&`.
pub(super) fn parts_of<'e>(expr: &'e Expr, parts: &mut Vec<&'e Expr>) -> Option<bool> {
    match expr {
        Expr::Binary(binary) if matches!(binary.op, BinOp::And(_) | BinOp::Or(_)) => {
            binary_parts(binary, parts)
        }
        _ => {
            parts.push(expr);
            None
        }
    }
}

pub(super) fn binary_parts<'e>(binary: &'e ExprBinary, parts: &mut Vec<&'e Expr>) -> Option<bool> {
    let is_and = matches!(binary.op, BinOp::And(_));
    for side in [&binary.left, &binary.right] {
        match &**side {
            Expr::Binary(inner)
                if matches!(
                    (&inner.op, is_and),
                    (BinOp::And(_), true) | (BinOp::Or(_), false)
                ) =>
            {
                binary_parts(inner, parts);
            }
            side => parts.push(side),
        }
    }
    Some(is_and)
}
