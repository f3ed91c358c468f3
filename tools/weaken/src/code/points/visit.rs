//! The walk through a source: which pieces of code the finder looks at.

use syn::spanned::Spanned as _;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, ExprBinary, Type};

use super::syntax::{binary_parts, has_cfg};
use super::{Finder, SWAPS};

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, _: &'ast syn::ItemMod) {}

    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}

    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if has_cfg(&item.attrs) {
            return;
        }
        let name = match &*item.self_ty {
            Type::Path(path) => path.path.segments.last().map(|s| s.ident.to_string()),
            _ => None,
        };
        let outer = std::mem::take(&mut self.path);
        self.path.extend(outer.iter().cloned().chain(name));
        visit::visit_item_impl(self, item);
        self.path = outer;
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !has_cfg(&item.attrs) {
            self.function(item.sig.ident.to_string(), &item.sig, &item.block);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if !has_cfg(&item.attrs) {
            self.function(item.sig.ident.to_string(), &item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(item.sig.ident.to_string(), &item.sig, block);
        }
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.block(block, false);
    }

    fn visit_expr_if(&mut self, expr: &'ast syn::ExprIf) {
        self.branch(expr);
        self.block(&expr.then_branch, expr.else_branch.is_none());
        if let Some((_, other)) = &expr.else_branch {
            self.visit_expr(other);
        }
    }

    fn visit_expr_while(&mut self, expr: &'ast syn::ExprWhile) {
        self.loop_condition(&expr.cond);
        self.block(&expr.body, true);
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast syn::ExprForLoop) {
        self.visit_expr(&expr.expr);
        self.block(&expr.body, true);
    }

    fn visit_expr_loop(&mut self, expr: &'ast syn::ExprLoop) {
        self.block(&expr.body, true);
    }

    fn visit_pat_guard(&mut self, pattern: &'ast syn::PatGuard) {
        self.condition(&pattern.guard, false);
    }

    fn visit_expr_binary(&mut self, expr: &'ast ExprBinary) {
        let range = expr.span().byte_range();
        let other = match expr.op {
            BinOp::And(_) | BinOp::Or(_) => {
                let mut parts = Vec::new();
                let operator = binary_parts(expr, &mut parts);
                return self.leave_out(&parts, operator);
            }
            BinOp::Lt(_) => Some("<="),
            BinOp::Le(_) => Some("<"),
            BinOp::Gt(_) => Some(">="),
            BinOp::Ge(_) => Some(">"),
            BinOp::Eq(_) => Some("!="),
            BinOp::Ne(_) => Some("=="),
            BinOp::Add(_) => Some("-"),
            BinOp::Sub(_) => Some("+"),
            _ => None,
        };
        let is_truth = matches!(expr.op, BinOp::Eq(_) | BinOp::Ne(_));
        if let Some(other) = other
            && !(is_truth && self.decided.contains(&(range.start, range.end)))
        {
            let operator = expr.op.span().byte_range();
            let text = self.replaced(&range, &operator, other);
            let change = format!("`{}` is `{other}`", self.text(&operator));
            self.instead(change, range, text);
        }
        visit::visit_expr_binary(self, expr);
    }

    fn visit_expr_call(&mut self, expr: &'ast syn::ExprCall) {
        self.arguments(expr.args.iter());
        visit::visit_expr_call(self, expr);
    }

    fn visit_expr_method_call(&mut self, expr: &'ast syn::ExprMethodCall) {
        let method = expr.method.to_string();
        let range = expr.span().byte_range();
        if let Some((_, other)) = SWAPS.iter().find(|(name, _)| method == *name)
            && !self.decided.contains(&(range.start, range.end))
        {
            let text = self.replaced(&range, &expr.method.span().byte_range(), other);
            self.instead(format!("`{method}` is `{other}`"), range, text);
        }
        self.arguments(expr.args.iter());
        visit::visit_expr_method_call(self, expr);
    }
}
